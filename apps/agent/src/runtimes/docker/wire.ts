import type Docker from 'dockerode'
import { FromService, type ToService } from '@thatdam/protocol/local'

export interface DockerOptions {
  /** The engine's socket. */
  readonly socketPath: string
  readonly image: string
  /** Tells this agent's containers from another's on the same machine. */
  readonly agentLabel: string
  readonly environment: NodeJS.ProcessEnv
  readonly log: (message: string, error?: unknown) => void
}

/** Something outside is missing; the sentence says what, and what to do. */
export class Unavailable extends Error {}

/** What one container's life needs of the connection. */
export interface EnginePort {
  readonly options: DockerOptions
  /** Answers within 30 s. */
  readonly calls: Docker
  /** For what lasts: a stream, a container's end, a pull. */
  readonly lasting: Docker
  /** The engine answers, nothing of an earlier agent runs, and the image is here. @throws Unavailable */
  prepare(onNote: (sentence: string) => void): Promise<void>
  /** What an error of the engine's connection means to the person. */
  away(error: unknown): Unavailable
}

/** HTTP status that the engine answered with; null: it did not answer. */
export const statusOf = (error: unknown): number | null => (error as { statusCode?: number }).statusCode ?? null

export function ignoreStatus(...statuses: readonly number[]): (error: unknown) => void {
  return (error) => {
    const status = statusOf(error)
    if (status === null || !statuses.includes(status)) throw error
  }
}

export const lineOf = (message: ToService): string => `${JSON.stringify(message)}\n`

export function readMessage(text: string): FromService | null {
  try {
    return FromService.parse(JSON.parse(text))
  } catch {
    return null
  }
}
