'use client'
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useCallback, useDeferredValue, useMemo } from 'react'
import { useTRPC, type Asset } from '../client.tsx'

export interface Filters {
  text: string
  kind: 'all' | Asset['kind']
  cameraModel: string | null
  rating: number
}
export const NO_FILTERS: Filters = { text: '', kind: 'all', cameraModel: null, rating: 0 }

const PAGE = 200

/** The files that match, page by page as far as one scrolls, and how many there are. */
export function useAssets(filters: Filters, trashed: boolean) {
  const trpc = useTRPC()
  const text = useDeferredValue(filters.text.trim())
  const input = useMemo(
    () => ({
      trashed,
      ...(text === '' ? {} : { text: text.slice(0, 200) }),
      ...(filters.kind === 'all' ? {} : { kinds: [filters.kind] }),
      ...(filters.cameraModel === null ? {} : { cameraModel: filters.cameraModel }),
      ...(filters.rating === 0 ? {} : { rating: filters.rating }),
    }),
    [trashed, text, filters.kind, filters.cameraModel, filters.rating],
  )
  const pages = useInfiniteQuery(
    trpc.asset.list.infiniteQueryOptions(
      { ...input, limit: PAGE },
      { getNextPageParam: (last) => last.next ?? undefined, placeholderData: keepPreviousData },
    ),
  )
  const count = useQuery(trpc.asset.count.queryOptions(input, { placeholderData: keepPreviousData }))
  const assets = useMemo(() => pages.data?.pages.flatMap((page) => page.assets) ?? null, [pages.data])
  const { hasNextPage, isFetching, fetchNextPage } = pages
  const more = useCallback(() => {
    if (hasNextPage && !isFetching) void fetchNextPage()
  }, [hasNextPage, isFetching, fetchNextPage])
  return { assets, count: count.data ?? null, error: pages.error, more, retry: pages.refetch }
}
