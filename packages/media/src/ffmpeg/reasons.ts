/** Why a camera's ffmpeg ended, for the console. */
export interface CameraTrouble {
  readonly state: 'gone' | 'busy' | 'failed'
  readonly sentence: string
}

interface Pattern {
  readonly match: RegExp
  readonly state: CameraTrouble['state']
  readonly says: (what: string) => string
}

const ENCODER =
  /Unknown encoder|Encoder not found|Error while opening encoder|Cannot load lib|No capable devices|Error initializing output stream/i

/** The encoder could not be opened: another one may do. */
export function isEncoderTrouble(stderr: string): boolean {
  return ENCODER.test(stderr)
}

/** First match wins. What ffmpeg and the systems print: Linux errno texts, DirectShow and AVFoundation messages. */
const PATTERNS: readonly Pattern[] = [
  {
    match: /Device or resource busy|already in use|Could not run graph|in use by another/i,
    state: 'busy',
    says: (what) => `Another program uses ${what}. Close it there; it goes on by itself.`,
  },
  {
    match: /Permission denied|Operation not permitted|not authorized|Access is denied/i,
    state: 'failed',
    says: (what) =>
      `${cap(what)} may not be opened. On Linux run \`sudo usermod -aG video $USER\` and sign in again; on macOS and Windows allow the camera in the privacy settings.`,
  },
  {
    match:
      /No such device|No such file or directory|Could not find video device|Video device not found|Input\/output error|Broken pipe from device/i,
    state: 'gone',
    says: (what) => `${cap(what)} is not there. Plug it in again; it goes on by itself.`,
  },
  {
    match: /401 Unauthorized|403 Forbidden|authorization failed/i,
    state: 'failed',
    says: (what) => `${cap(what)} refused the user name or password. Correct them in its address.`,
  },
  {
    match: /Connection refused|No route to host|Connection timed out|Network is unreachable|Name or service not known/i,
    state: 'gone',
    says: (what) => `${cap(what)} does not answer. Look whether it has power and network; it goes on by itself.`,
  },
  {
    match: ENCODER,
    state: 'failed',
    says: (what) => `The video encoder for ${what} could not be opened. \`thatdam doctor\` names the encoders that work here.`,
  },
  {
    match: /Invalid data found|moov atom not found|could not find codec parameters/i,
    state: 'failed',
    says: (what) => `${cap(what)} gives no video that can be read. Try it in another program, then plug it in again.`,
  },
  {
    match: /Not enough frame rate|Cannot find a suitable mode|Cannot find a proper format|Invalid argument/i,
    state: 'failed',
    says: (what) => `${cap(what)} refused the picture size or rate that it offered. Unplug it and plug it in again.`,
  },
]

/** One sentence from ffmpeg's standard error; `what` as in "the camera "HD Pro"". */
export function troubleOf(stderr: string, what: string, ended: { code: number | null; signal: string | null }): CameraTrouble {
  for (const pattern of PATTERNS) if (pattern.match.test(stderr)) return { state: pattern.state, sentence: pattern.says(what) }
  const how = ended.signal ? `was ended by ${ended.signal}` : `ended with code ${ended.code ?? 'unknown'}`
  return { state: 'failed', sentence: `ffmpeg for ${what} ${how}. It is started again by itself; the log has its last words.` }
}

export function noSignal(what: string, seconds: number): CameraTrouble {
  return { state: 'failed', sentence: `${cap(what)} gave no picture for ${seconds} seconds. It is opened again by itself.` }
}

function cap(what: string): string {
  return what.charAt(0).toUpperCase() + what.slice(1)
}
