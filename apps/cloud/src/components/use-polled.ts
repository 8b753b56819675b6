'use client'
import { useEffect, useState } from 'react'
import { call } from '../web/call.ts'

/**
 * Asks a route again every `everyMs`, one request at a time, and not while the page is hidden.
 * @returns the newest value, and a sentence while the server does not answer.
 */
export function usePolled<T>(
  path: string | null,
  first: T,
  everyMs: number,
): { value: T; problem: string | null; status: number; set: (value: T) => void } {
  const [value, set] = useState(first)
  const [problem, setProblem] = useState<string | null>(null)
  const [status, setStatus] = useState(200)
  useEffect(() => {
    if (path === null) return undefined
    let timer: ReturnType<typeof setTimeout> | undefined
    let over = false
    const ask = async (): Promise<void> => {
      if (!document.hidden) {
        const answer = await call<T>('GET', path)
        if (over) return
        if (answer.ok && answer.value !== null) set(answer.value)
        setStatus(answer.status)
        setProblem(answer.ok ? null : answer.message)
      }
      timer = setTimeout(() => void ask(), everyMs)
    }
    timer = setTimeout(() => void ask(), everyMs)
    return () => {
      over = true
      clearTimeout(timer)
    }
  }, [path, everyMs])
  return { value, problem, status, set }
}
