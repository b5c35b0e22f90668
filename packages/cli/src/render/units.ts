/** Numbers as people read them: three digits that matter, one unit everywhere. What is unknown is a dash. */

const MiB = 2 ** 20
const GiB = 2 ** 30
export const UNKNOWN = '-'

/** Three significant digits, never an exponent for numbers that have a plain form. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  const size = Math.abs(value)
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return value.toExponential(2)
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return value.toFixed(size >= 1 ? 2 : 3)
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
  if (Math.abs(ms) >= 10_000) return `${(ms / 1000).toFixed(1)} s`
  return `${formatNumber(ms)} ms`
}

/** MiB below 1 GiB, so that rounds of one migration stand in one unit. */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return UNKNOWN
  return bytes >= GiB ? `${(bytes / GiB).toFixed(2)} GiB` : `${(bytes / MiB).toFixed(1)} MiB`
}

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`
}

/** One of `noun` or several. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
