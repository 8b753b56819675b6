/*
 * A clock that needs no font, drawn by ffmpeg's own expressions for each frame:
 *  - for programs, a bar of 34 cells at the top: white, 32 bits of Date.now() (lowest first), black. `readClockBar` reads it back,
 *    so that the time from camera to screen can be measured in a browser;
 *  - for people, HH:MM:SS in digits of 3 × 5 cells below it.
 */

export const CLOCK_CELLS = 34
const BAR_HEIGHT = 48
/** Rows of 3 bits from the top, each digit as one number of 15 bits. */
const DIGITS = ['111101101101111', '010110010010111', '111001111100111', '111001111001111', '101101111001001'].concat([
  '111100111001111',
  '111100111101111',
  '111001010010010',
  '111101111101111',
  '111101111001111',
])
const COLON = '000010000010000'

interface ClockPicture {
  readonly width: number
  readonly height: number
  readonly fps: number
  /** Local time minus UTC. */
  readonly zoneOffsetSeconds: number
}

/** A filter graph for `-f lavfi`: test pattern, bar and digits. */
export function clockFilter(picture: ClockPicture): string {
  const { width, height, fps } = picture
  const cell = Math.floor(width / CLOCK_CELLS)
  const digitCell = Math.floor(width / 64)
  return [
    `testsrc2=s=${width}x${height}:r=${fps},format=yuv420p[pattern]`,
    `color=c=black:s=${CLOCK_CELLS}x1:r=${fps},format=gray,geq=lum='${barExpression()}',scale=${cell * CLOCK_CELLS}:${BAR_HEIGHT}:flags=neighbor,format=yuv420p[bar]`,
    `color=c=black:s=33x7:r=${fps},format=gray,geq=lum='${digitsExpression(picture.zoneOffsetSeconds)}',scale=${33 * digitCell}:${7 * digitCell}:flags=neighbor,format=yuv420p[digits]`,
    `[pattern][bar]overlay=0:0[timed]`,
    `[timed][digits]overlay=(W-w)/2:(H-h)/2`,
  ].join(';')
}

function barExpression(): string {
  const bit = 'mod(floor(ld(0)/pow(2,X-1)),2)'
  return `if(eq(X,0),0*st(0,mod(floor(time(0)*1000),4294967296))+235,if(eq(X,${CLOCK_CELLS - 1}),16,if(${bit},235,16)))`
}

/** Eight signs of 4 × 7 cells (3 × 5 and a margin). ld(0): seconds of the day, ld(1): which sign, ld(2): its value (10 is the colon). */
function digitsExpression(zoneOffsetSeconds: number): string {
  const day = `st(0,mod(floor(time(0))+${zoneOffsetSeconds}+86400,86400))`
  const sign = 'st(1,floor((X-1)/4))'
  const parts = ['floor(ld(0)/36000)', 'mod(floor(ld(0)/3600),10)', '10', 'mod(floor(ld(0)/600),6)', 'mod(floor(ld(0)/60),10)', '10']
  const values = [...parts, 'mod(floor(ld(0)/10),6)', 'mod(ld(0),10)']
  const value = `st(2,${choose('ld(1)', values)})`
  const shapes = [...DIGITS, COLON].map((bits) => String(Number.parseInt(bits, 2)))
  const column = 'mod(X-1,4)'
  const bit = `mod(floor(${choose('ld(2)', shapes)}/pow(2,14-(3*(Y-1)+${column}))),2)`
  const inside = `between(Y,1,5)*lt(${column},3)*gte(X,1)`
  return `if(${inside},0*${day}+0*${sign}+0*${value}+if(${bit},235,16),16)`
}

/** `index` as an expression picks one of `values`. */
function choose(index: string, values: readonly string[]): string {
  return values.reduceRight((rest, value, at) => (rest === '' ? value : `if(eq(${index},${at}),${value},${rest})`), '')
}

/** Reads the bar from one row of brightness values (any number of pixels). Null when the bar is not there. */
export function readClockBar(row: ArrayLike<number>, width: number): number | null {
  const cell = Math.floor(width / CLOCK_CELLS)
  const white = (at: number): boolean => (row[at * cell + (cell >> 1)] ?? 0) > 128
  if (!white(0) || white(CLOCK_CELLS - 1)) return null
  let value = 0
  for (let bit = 0; bit < 32; bit++) if (white(bit + 1)) value += 2 ** bit
  return value
}
