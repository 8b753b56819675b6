'use client'
import { useToast } from '@thatdam/ui/toast'
import { useCallback } from 'react'
import { sentenceOf } from './client.tsx'

/** Shows a failed action in its own sentence. */
export function useShowError(): (error: unknown) => void {
  const toast = useToast()
  return useCallback((error: unknown) => toast({ text: sentenceOf(error), tone: 'error' }), [toast])
}
