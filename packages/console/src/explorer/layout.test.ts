import { expect, test } from 'vitest'
import { layoutGrid, neighbour } from './layout.tsx'

const aspects = [1.5, 0.66, 1.77, 1.5, null, 12, 0.1, 1.5, 1.5]

test('justified rows fill the width exactly, in order, without overlap', () => {
  const { boxes, height } = layoutGrid({ aspects, width: 800, gap: 4, rowHeight: 180, mode: 'justified' })
  expect(boxes.map((box) => box.index)).toEqual(aspects.map((_, index) => index))
  const rows = Map.groupBy(boxes, (box) => box.top)
  for (const row of [...rows.values()].slice(0, -1)) {
    const last = row.at(-1)
    expect((last?.left ?? 0) + (last?.width ?? 0)).toBeCloseTo(800, 5)
  }
  expect(Math.max(...boxes.map((box) => box.top + box.height))).toBeLessThanOrEqual(height)
})

test('a phone gets at least two columns of squares', () => {
  const { boxes } = layoutGrid({ aspects, width: 390, gap: 2, rowHeight: 300, mode: 'square' })
  expect(new Set(boxes.map((box) => box.left)).size).toBe(2)
  expect(boxes[0]?.width).toBe(194)
})

test('arrow keys stay in the grid and go to the nearest tile of the next row', () => {
  const layout = layoutGrid({ aspects: Array.from({ length: 10 }, () => 1), width: 400, gap: 0, rowHeight: 100, mode: 'square' })
  expect(neighbour(layout, 1, 'down')).toBe(5)
  expect(neighbour(layout, 5, 'up')).toBe(1)
  expect(neighbour(layout, 9, 'down')).toBe(9)
  expect(neighbour(layout, 0, 'left')).toBe(0)
  expect(neighbour(layout, 7, 'down')).toBe(9)
})
