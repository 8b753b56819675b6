import { ThatdamError } from '@thatdam/protocol/errors'
import * as z from 'zod/mini'
import { ownerHere } from '../trpc.ts'

export const NewPassword = z.string().check(z.minLength(10, 'Use at least 10 characters.'), z.maxLength(256, 'Use at most 256 characters.'))

/**
 * Sets or changes the owner's password. The console then opens to the network; every other session ends, this browser gets a new one.
 * With a password already set, it must be given again: an open browser alone does not hand over the machine.
 */
export const setPassword = ownerHere
  .input(z.strictObject({ current: z.optional(z.string().check(z.maxLength(256))), next: NewPassword }))
  .mutation(async ({ ctx, input }) => {
    const { passwordHash } = await ctx.agent.ownerCredential()
    if (passwordHash !== null) {
      ctx.passwords.checkGuessAllowed()
      const right = await ctx.passwords.verify(passwordHash, input.current ?? '')
      ctx.passwords.noteGuess(right)
      if (!right) throw new ThatdamError('FORBIDDEN', 'The present password is not right. Nothing was changed.')
    }
    await ctx.agent.setOwnerCredential({ passwordHash: await ctx.passwords.hash(input.next) })
    const session = await ctx.agent.createSession({ kind: 'password', displayName: 'Owner' })
    ctx.setSessionCookie(session.cookieValue, session.expiresAtMs)
    return { passwordSet: true }
  })
