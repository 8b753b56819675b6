import * as z from 'zod'

export const Email = z
  .string()
  .trim()
  .toLowerCase()
  .max(254, 'This address is too long.')
  .regex(/^[^\s@]+@[^\s@]+$/, 'Type an address like name@example.org.')
export const Password = z.string().min(10, 'Use at least 10 characters.').max(256, 'Use at most 256 characters.')
