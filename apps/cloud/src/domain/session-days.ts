/** How long a sign-in lasts without being ended. */
export const SESSION_DAYS = 30
