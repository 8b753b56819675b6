'use client'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useTRPC } from '../client.tsx'
import { useShowError } from '../query.tsx'
import type { ConflictChoiceProps } from './conflict-choice.tsx'

/* What stands against one another, of a file, a machine or a camera; lists follow with the catalog (state.tsx). */

export function useAssetConflicts(id: string): ConflictChoiceProps {
  const trpc = useTRPC()
  const { data } = useQuery(trpc.asset.conflicts.queryOptions({ id }))
  const resolve = useMutation(trpc.asset.resolve.mutationOptions(useSettled()))
  return {
    conflicts: data ?? [],
    choosing: resolve.isPending ? resolve.variables.opId : null,
    onChoose: (field, opId) => resolve.mutate({ id, field: field as 'title', opId }),
  }
}

export function useNodeConflicts(nodeId: string): ConflictChoiceProps {
  const trpc = useTRPC()
  const { data } = useQuery(trpc.node.conflicts.queryOptions({ nodeId }))
  const resolve = useMutation(trpc.node.resolve.mutationOptions(useSettled()))
  return {
    conflicts: data ?? [],
    choosing: resolve.isPending ? resolve.variables.opId : null,
    onChoose: (field, opId) => resolve.mutate({ nodeId, field: field as 'name', opId }),
  }
}

export function useCameraConflicts(cameraId: string): ConflictChoiceProps {
  const trpc = useTRPC()
  const { data } = useQuery(trpc.camera.conflicts.queryOptions({ cameraId }))
  const resolve = useMutation(trpc.camera.resolve.mutationOptions(useSettled()))
  return {
    conflicts: data ?? [],
    choosing: resolve.isPending ? resolve.variables.opId : null,
    onChoose: (_field, opId) => resolve.mutate({ cameraId, opId }),
  }
}

/** Settled here, or meanwhile elsewhere: what is left is asked anew. */
function useSettled(): { onError: (error: unknown) => void; onSettled: () => Promise<void> } {
  const trpc = useTRPC()
  const queries = useQueryClient()
  const showError = useShowError()
  return {
    onError: showError,
    onSettled: async () => {
      await Promise.all(
        [trpc.asset.pathKey(), trpc.node.conflicts.pathKey(), trpc.camera.pathKey()].map((queryKey) =>
          queries.invalidateQueries({ queryKey }),
        ),
      )
    },
  }
}
