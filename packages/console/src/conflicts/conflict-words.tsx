import type { Json } from '@thatdam/protocol/canonical'
import { count } from '../format.tsx'

/* Pure: what a field and one of its values are called for a person. */

const FIELDS: Readonly<Record<string, string>> = {
  title: 'Name',
  note: 'Note',
  rating: 'Rating',
  trashed: 'Trash',
  name: 'Name',
  labels: 'Labels',
  indexPaths: 'Folders',
  excludeServices: 'What it does not do',
  excludeLeader: 'Leading',
  quotas: 'Limits',
  quietHours: 'Hours at full speed',
}
export const fieldWords = (field: string): string => FIELDS[field] ?? field

/** One value of a field. An unknown shape is shown as it is. */
export function valueWords(field: string, value: Json): string {
  if (field === 'rating' && typeof value === 'number') return value === 0 ? 'No rating' : count(value, 'star', 'stars')
  if (field === 'trashed' && typeof value === 'boolean') return value ? 'In the trash' : 'Not in the trash'
  if (field === 'excludeLeader' && typeof value === 'boolean') return value ? 'Never leads' : 'May lead'
  if (field === 'quietHours') return hours(value)
  if (Array.isArray(value)) return value.length === 0 ? 'None' : value.map(plain).join(', ')
  if (field === 'quotas' && isRecord(value)) return limits(value)
  return typeof value === 'string' && value.trim() === '' ? 'Nothing' : plain(value)
}

type JsonRecord = Readonly<Record<string, Json | undefined>>
const isRecord = (value: Json): value is JsonRecord => value !== null && typeof value === 'object' && !Array.isArray(value)

function hours(value: Json): string {
  if (value === null) return 'At all hours'
  if (!isRecord(value)) return plain(value)
  return `${plain(value['from'] ?? '?')} to ${plain(value['to'] ?? '?')}`
}

function limits(value: JsonRecord): string {
  const names: Readonly<Record<string, string>> = {
    maxDerives: 'previews at once',
    maxTranscodes: 'conversions at once',
    maxIntel: 'recognitions at once',
    cpuReservePercent: '% of the processor left free',
  }
  const parts = Object.entries(value).map(([key, number]) => `${plain(number ?? null)} ${names[key] ?? key}`)
  return parts.length === 0 ? 'The ring decides' : parts.join(', ')
}

const plain = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value))
