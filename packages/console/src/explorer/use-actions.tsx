'use client'
import { useMutation } from '@tanstack/react-query'
import { useToast } from '@thatdam/ui/toast'
import { useMemo } from 'react'
import { useTRPC, type Asset } from '../client.tsx'
import { savedWords, useShowError } from '../query.tsx'
import { useLiveState } from '../state.tsx'

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
  const machines = useLiveState().state?.agent?.members.length ?? 1
  const { mutate: trash } = useMutation(trpc.asset.trash.mutationOptions({ onError: showError }))
  const { mutate: restore } = useMutation(trpc.asset.restore.mutationOptions({ onError: showError }))
  const { mutate: setRating } = useMutation(trpc.asset.setRating.mutationOptions({ onError: showError }))
  return useMemo(
    () => ({
      trash: ({ id, title }) =>
        trash(
          { ids: [id] },
          {
            onSuccess: ({ durability }) => {
              const detail = savedWords(durability, machines)
              toast({
                text: `“${title}” is in the trash. The file on disk stays as it is.`,
                ...(detail === undefined ? {} : { detail }),
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
    [trash, restore, setRating, toast, machines],
  )
}
