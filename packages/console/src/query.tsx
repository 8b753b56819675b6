'use client'
import { useToast } from '@thatdam/ui/toast'
import { useCallback } from 'react'
import { sentenceOf } from './client.tsx'

/** Shows a failed action in its own sentence. */
export function useShowError(): (error: unknown) => void {
  const toast = useToast()
  return useCallback((error: unknown) => toast({ text: sentenceOf(error), tone: 'error' }), [toast])
}

/** Told after an edit that lies on this machine's log alone, when there is another machine that will hold it too. */
export const savedWords = (durability: 'here' | 'saved', machines: number): string | undefined =>
  durability === 'here' && machines > 1 ? `Saved here, on 1 of ${machines} machines so far.` : undefined
