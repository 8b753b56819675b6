/** The environment that a program in a host gets when nobody says another: this process's own. */
export const inheritedEnvironment = (): NodeJS.ProcessEnv => process.env
