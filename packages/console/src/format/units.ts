/** Numbers as people read them: three digits that matter, and always a unit. What is unknown is a dash. */

const KiB = 2 ** 10
const MiB = 2 ** 20
const GiB = 2 ** 30
export const UNKNOWN = '–'

/** Three significant digits, without an exponent where there is a plain form. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined) return UNKNOWN
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size < 1e-3 || size >= 1e9) return value.toExponential(2)
  if (size >= 100) return grouped(Math.round(value))
  if (size >= 10) return value.toFixed(1)
  return value.toFixed(size >= 1 ? 2 : 3)
}

/** Whole, with a thin space between thousands. */
export function grouped(value: number | undefined): string {
  if (value === undefined) return UNKNOWN
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u202f')
}

/** A loss keeps one digit more than other numbers: it is what people compare. */
export function formatLoss(loss: number | undefined): string {
  if (loss === undefined) return UNKNOWN
  if (!Number.isFinite(loss)) return String(loss)
  const size = Math.abs(loss)
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? loss.toExponential(3) : loss.toFixed(4)
}

export function formatMs(ms: number | undefined | null): string {
  if (ms === undefined || ms === null) return UNKNOWN
  return Math.abs(ms) >= 1000 ? `${(ms / 1000).toFixed(ms >= 10_000 ? 1 : 2)} s` : `${formatNumber(ms)} ms`
}

/** How long something lasts or lasted, for people: `4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function formatDuration(ms: number | undefined): string {
  if (ms === undefined) return UNKNOWN
  const seconds = Math.max(0, Math.round(ms / 1000))
  const units: [string, number][] = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ]
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first < 0) return '0 s'
  let rest = seconds
  return units
    .slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(rest / size)
      rest -= count * size
      return count === 0 ? '' : `${count} ${unit}`
    })
    .filter(Boolean)
    .join(' ')
}

export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return UNKNOWN
  if (bytes >= GiB) return `${(bytes / GiB).toFixed(bytes >= 100 * GiB ? 0 : 1)} GiB`
  if (bytes >= MiB) return `${(bytes / MiB).toFixed(bytes >= 100 * MiB ? 0 : 1)} MiB`
  return bytes >= KiB ? `${(bytes / KiB).toFixed(0)} KiB` : `${Math.round(bytes)} B`
}

export function formatRate(bytesPerSecond: number | undefined): string {
  return bytesPerSecond === undefined ? UNKNOWN : `${formatBytes(bytesPerSecond)}/s`
}

/** `share` from 0 to 1. */
export function formatPercent(share: number | undefined): string {
  return share === undefined || Number.isNaN(share) ? UNKNOWN : `${Math.round(share * 100)} %`
}

/** One of `noun` or several. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** A message of the coordinator's as it stands on a page: it begins with a capital, unless it begins with a name. */
export function asSentence(text: string, isName: (word: string) => boolean): string {
  const [, word] = /^([a-z]+)[ ,:]/.exec(text) ?? []
  return word === undefined || isName(word) ? text : `${text[0]?.toUpperCase()}${text.slice(1)}`
}
