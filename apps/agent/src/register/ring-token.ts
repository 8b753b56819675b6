import type { JoinToken } from '@thatdam/control/token'
import { ThatdamError } from '@thatdam/protocol/errors'
import { ClusterId } from '@thatdam/protocol/ids'
import type { Registered, RegisterOptions } from './register.ts'

/** A token that a ring's admitter made, named by the ring's id; all others are the cloud's. */
export const isRingToken = ({ scope }: JoinToken): boolean => ClusterId.safeParse(scope).success

/** `url`: of the machine that made the token; null when it was not given and is to be found. */
export type RingTokenOptions = Omit<RegisterOptions, 'url'> & { readonly url: string | null }

/** Redeems a ring's own token, without a cloud. */
export function joinByRingToken(_options: RingTokenOptions): Promise<Registered> {
  return Promise.reject(
    new ThatdamError(
      'NOT_IN_THIS_VERSION',
      'This token was made by a machine of a ring, and this version joins by tokens of the cloud app only. Make one there with “Add machine”.',
    ),
  )
}
