import type { RegistryValue } from './reg-query.ts'

export interface WebcamConsent {
  /** Where it is refused: for everybody on the machine, for this person, for all desktop programs, or by the company's policy. */
  readonly refusedBy: 'machine' | 'user' | 'desktop-programs' | 'policy' | null
  /** Programs that use a camera now: their use began and has not ended. */
  readonly inUseBy: readonly string[]
}

const STORE = String.raw`\CapabilityAccessManager\ConsentStore\webcam`

/** From `reg query …\ConsentStore\webcam /s` of both hives and `…\Policies\Microsoft\Windows\AppPrivacy`. */
export function readWebcamConsent(values: readonly RegistryValue[]): WebcamConsent {
  const denied = (hive: string, below: string) =>
    values.some(
      (value) => value.key.startsWith(hive) && value.key.endsWith(STORE + below) && value.name === 'Value' && value.data === 'Deny',
    )
  const policy = values.some((value) => value.name === 'LetAppsAccessCamera' && Number(value.data) === 2)
  const refusedBy = policy
    ? 'policy'
    : denied('HKEY_LOCAL_MACHINE', '')
      ? 'machine'
      : denied('HKEY_CURRENT_USER', '')
        ? 'user'
        : denied('HKEY_CURRENT_USER', String.raw`\NonPackaged`)
          ? 'desktop-programs'
          : null
  const inUseBy = values
    .filter((value) => value.key.includes(STORE) && value.name === 'LastUsedTimeStop' && Number(value.data) === 0)
    // A desktop program's key is its path with # for each backslash.
    .map((value) => value.key.split('\\').at(-1)?.split('#').at(-1) ?? '')
  return { refusedBy, inUseBy: [...new Set(inUseBy)] }
}
