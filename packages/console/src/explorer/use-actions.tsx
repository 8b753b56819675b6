'use client'
import { useMutation } from '@tanstack/react-query'
import { useToast } from '@thatdam/ui/toast'
import { useMemo } from 'react'
import { useTRPC, type Asset } from '../client.tsx'
import { useShowError } from '../query.tsx'

export interface AssetActions {
  trash(asset: Pick<Asset, 'id' | 'title'>): void
  restore(asset: Pick<Asset, 'id' | 'title'>): void
  rate(asset: Pick<Asset, 'id'>, rating: number): void
}

/** What a person does to a file; each can be undone from its message. Lists follow with the catalog. */
export function useAssetActions(): AssetActions {
  const trpc = useTRPC()
  const toast = useToast()
  const showError = useShowError()
  const { mutate: trash } = useMutation(trpc.asset.trash.mutationOptions({ onError: showError }))
  const { mutate: restore } = useMutation(trpc.asset.restore.mutationOptions({ onError: showError }))
  const { mutate: setRating } = useMutation(trpc.asset.setRating.mutationOptions({ onError: showError }))
  return useMemo(
    () => ({
      trash: ({ id, title }) =>
        trash(
          { ids: [id] },
          {
            onSuccess: () => {
              toast({
                text: `“${title}” is in the trash. The file on disk stays as it is.`,
                action: { label: 'Undo', onAction: () => restore({ ids: [id] }) },
              })
            },
          },
        ),
      restore: ({ id, title }) =>
        restore(
          { ids: [id] },
          {
            onSuccess: () => toast({ text: `“${title}” is back.`, action: { label: 'Undo', onAction: () => trash({ ids: [id] }) } }),
          },
        ),
      rate: ({ id }, rating) => setRating({ ids: [id], rating }),
    }),
    [trash, restore, setRating, toast],
  )
}
