/* Where tiles lie. Pure: sizes in, places out, so that scrolling never waits for the page to measure. */

export interface Box {
  index: number
  left: number
  top: number
  width: number
  height: number
}
export interface GridLayout {
  boxes: readonly Box[]
  height: number
}
export interface LayoutInput {
  /** Width ÷ height of each; null where not known. */
  aspects: readonly (number | null)[]
  width: number
  gap: number
  /** Wished height of a justified row, or the smallest edge of a square. */
  rowHeight: number
  mode: 'justified' | 'square'
}

const ASPECT_UNKNOWN = 1.5
/** A panorama does not get a row for itself, a strip not the height of a page. */
const ASPECT_MIN = 0.5
const ASPECT_MAX = 3

export function layoutGrid(input: LayoutInput): GridLayout {
  if (input.width <= 0) return { boxes: [], height: 0 }
  return input.mode === 'square' ? squares(input) : justified(input)
}

function squares({ aspects, width, gap, rowHeight }: LayoutInput): GridLayout {
  const columns = Math.max(2, Math.floor((width + gap) / (rowHeight + gap)))
  const edge = (width - gap * (columns - 1)) / columns
  const boxes = aspects.map((_, index) => ({
    index,
    left: (index % columns) * (edge + gap),
    top: Math.floor(index / columns) * (edge + gap),
    width: edge,
    height: edge,
  }))
  return { boxes, height: Math.ceil(aspects.length / columns) * (edge + gap) }
}

function justified({ aspects, width, gap, rowHeight }: LayoutInput): GridLayout {
  const boxes: Box[] = []
  let top = 0
  let row: { index: number; aspect: number }[] = []
  let sum = 0
  const flush = (full: boolean): void => {
    if (row.length === 0) return
    const fitted = (width - gap * (row.length - 1)) / sum
    const height = full ? fitted : Math.min(rowHeight, fitted)
    let left = 0
    for (const { index, aspect } of row) {
      boxes.push({ index, left, top, width: aspect * height, height })
      left += aspect * height + gap
    }
    top += height + gap
    row = []
    sum = 0
  }
  for (const [index, known] of aspects.entries()) {
    const aspect = Math.min(ASPECT_MAX, Math.max(ASPECT_MIN, known ?? ASPECT_UNKNOWN))
    row.push({ index, aspect })
    sum += aspect
    if (sum * rowHeight + gap * (row.length - 1) >= width) flush(true)
  }
  flush(false)
  return { boxes, height: top }
}

/** The tile reached from `from` by an arrow key: along the row, or the nearest one in the row above or below. */
export function neighbour(layout: GridLayout, from: number, key: 'left' | 'right' | 'up' | 'down'): number {
  const here = layout.boxes[from]
  if (here === undefined) return 0
  if (key === 'left') return Math.max(0, from - 1)
  if (key === 'right') return Math.min(layout.boxes.length - 1, from + 1)
  const middle = here.left + here.width / 2
  const rows = layout.boxes.filter((box) => (key === 'down' ? box.top > here.top + 1 : box.top < here.top - 1))
  const rowTop = key === 'down' ? Math.min(...rows.map((box) => box.top)) : Math.max(...rows.map((box) => box.top))
  const row = rows.filter((box) => Math.abs(box.top - rowTop) < 1)
  const distance = (box: Box): number => Math.abs(box.left + box.width / 2 - middle)
  return row.toSorted((a, b) => distance(a) - distance(b))[0]?.index ?? from
}
