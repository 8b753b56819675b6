import { cx } from './cx.tsx'

export interface RingNode {
  id: string
  name: string
  leader: boolean
  /** Ready to lead when the leader falls silent: drawn with a broken line around. */
  standby?: boolean
  /** Not heard from: drawn hollow. */
  away: boolean
  /** Under the name: "Pi 5, 3 s ago". */
  detail?: string
}
export interface RingFlow {
  from: string
  to: string
}
export interface RingProps {
  nodes: readonly RingNode[]
  /** Live media between nodes, as thin moving lines. */
  flows?: readonly RingFlow[]
  selectedId?: string
  onSelect?: (id: string) => void
  /** Ids of the only nodes to be named, where all names would run into each other. Left out: all. */
  named?: ReadonlySet<string>
  className?: string
}

const SIZE = 320
const RADIUS = 104

/** SVG numbers of equal text on server and client. */
const round = (n: number) => Math.round(n * 100) / 100

/** The ring passes behind names without crossing them. */
const HALO = { stroke: 'var(--c-ground)', strokeWidth: 5, paintOrder: 'stroke' } as const

/** Where a node lies: by name around the circle from the top, so that the same ring always looks the same. */
export function ringPositions(nodes: readonly RingNode[]): Map<string, { x: number; y: number }> {
  const sorted = nodes.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1))
  return new Map(
    sorted.map((node, index) => {
      const angle = (index / sorted.length) * 2 * Math.PI - Math.PI / 2
      return [node.id, { x: round(SIZE / 2 + RADIUS * Math.cos(angle)), y: round(SIZE / 2 + RADIUS * Math.sin(angle)) }]
    }),
  )
}

function sentence(nodes: readonly RingNode[]): string {
  const leader = nodes.find((node) => node.leader)
  const standbys = nodes.filter((node) => node.standby === true && !node.leader).map((node) => node.name)
  const away = nodes.filter((node) => node.away).length
  return [
    `${nodes.length} ${nodes.length === 1 ? 'machine' : 'machines'}`,
    ...(leader ? [`led by ${leader.name}`] : []),
    ...(standbys.length > 0 ? [`ready to take over: ${standbys.join(' and ')}`] : []),
    ...(away > 0 ? [`${away} away`] : []),
  ].join(', ')
}

export function Ring({ nodes, flows = [], selectedId, onSelect, named, className }: RingProps) {
  const positions = ringPositions(nodes)
  return (
    <svg viewBox={`0 0 ${SIZE} ${SIZE}`} role="img" aria-label={sentence(nodes)} className={cx('block', className)}>
      <circle cx={SIZE / 2} cy={SIZE / 2} r={RADIUS} fill="none" stroke="var(--c-line-strong)" strokeWidth={1} />
      {flows.map((flow) => {
        const from = positions.get(flow.from)
        const to = positions.get(flow.to)
        if (from === undefined || to === undefined) return null
        return (
          <path
            key={`${flow.from}>${flow.to}`}
            d={`M${from.x} ${from.y} Q${SIZE / 2} ${SIZE / 2} ${to.x} ${to.y}`}
            fill="none"
            stroke="var(--c-accent)"
            strokeWidth={1.25}
            strokeDasharray="3 3"
            className="animate-flow"
          />
        )
      })}
      {nodes.map((node) => (
        <RingDot
          key={node.id}
          node={node}
          at={positions.get(node.id) ?? { x: SIZE / 2, y: SIZE / 2 }}
          selected={node.id === selectedId}
          isNamed={named?.has(node.id) ?? true}
          radius={dotRadius(nodes.length)}
          {...(onSelect === undefined ? {} : { onSelect })}
        />
      ))}
    </svg>
  )
}

/** Dots of a large ring shrink, so that each can still be told from its neighbour. */
const dotRadius = (count: number) => round(Math.max(1.5, Math.min(8, (Math.PI * RADIUS) / count / 1.6)))

function RingDot(props: {
  node: RingNode
  at: { x: number; y: number }
  selected: boolean
  isNamed: boolean
  radius: number
  onSelect?: (id: string) => void
}) {
  const { node, at, selected, isNamed, radius, onSelect } = props
  const below = at.y >= SIZE / 2 - 1
  const colour = node.leader ? 'var(--c-accent)' : 'var(--c-ink-soft)'
  return (
    <g
      {...(onSelect === undefined ? {} : { onClick: () => onSelect(node.id), className: 'cursor-pointer' })}
      data-node={node.id}
      data-away={node.away || undefined}
    >
      <circle cx={at.x} cy={at.y} r={round(Math.min(22, radius * 2.75))} fill="transparent" />
      {selected ? <circle cx={at.x} cy={at.y} r={round(radius + 6)} fill="none" stroke="var(--c-ink-faint)" strokeWidth={1} /> : null}
      <circle cx={at.x} cy={at.y} r={radius} fill={node.away ? 'var(--c-ground)' : colour} stroke={colour} strokeWidth={1.75} />
      {node.standby === true && !node.leader ? (
        <circle
          cx={at.x}
          cy={at.y}
          r={round(radius + 3.5)}
          fill="none"
          stroke={colour}
          strokeWidth={1.25}
          strokeDasharray="2.5 2.5"
          data-standby
        />
      ) : null}
      {node.leader ? <circle cx={at.x} cy={at.y} r={round(radius + 3.5)} fill="none" stroke={colour} strokeWidth={1.25} /> : null}
      {isNamed ? (
        <text
          x={at.x}
          y={at.y + (below ? 30 : node.detail === undefined ? -20 : -32)}
          textAnchor="middle"
          fontSize={12}
          fill="var(--c-ink)"
          {...HALO}
        >
          {node.name}
        </text>
      ) : null}
      {node.detail === undefined || !isNamed ? null : (
        <text x={at.x} y={at.y + (below ? 44 : -18)} textAnchor="middle" fontSize={10.5} fill="var(--c-ink-faint)" {...HALO}>
          {node.detail}
        </text>
      )}
    </g>
  )
}

/** The product's mark: the ring of five with its leader at the top, one of them away. */
export function RingMark({ className }: { className?: string }) {
  const dots = [0, 1, 2, 3, 4].map((index) => {
    const angle = (index / 5) * 2 * Math.PI - Math.PI / 2
    return { index, x: round(12 + 8 * Math.cos(angle)), y: round(12 + 8 * Math.sin(angle)) }
  })
  return (
    <svg viewBox="0 0 24 24" aria-hidden className={cx('block size-6 overflow-visible', className)}>
      <circle cx={12} cy={12} r={8} fill="none" stroke="currentColor" strokeOpacity={0.45} strokeWidth={1.25} />
      {dots.map((dot) => (
        <circle
          key={dot.index}
          cx={dot.x}
          cy={dot.y}
          r={dot.index === 0 ? 3.2 : 2.2}
          fill={dot.index === 0 ? 'var(--c-accent)' : dot.index === 3 ? 'var(--c-ground)' : 'currentColor'}
          stroke={dot.index === 3 ? 'currentColor' : 'none'}
          strokeWidth={1.1}
        />
      ))}
    </svg>
  )
}
