/**
 * Bandwidth as people write it. Links are sold in bits and memory in bytes, so both are understood, and the unit says which: a
 * bit's prefixes are powers of ten, a byte's with an `i` powers of two.
 */
import { GodwitError } from './errors.ts'
import { LIMITS } from './limits.ts'

const BYTES_A_SECOND: Record<string, number> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  bit: 1 / 8,
  kbit: 1e3 / 8,
  mbit: 1e6 / 8,
  gbit: 1e9 / 8,
}

/** Bytes a second: of `125000000`, `100MiB`, `1gbit`, `1.5 Gbit/s`. Throws `bad-arguments`. */
export function parseBandwidth(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)(?:\/s)?$/i.exec(text.trim())
  const unit = BYTES_A_SECOND[(match?.[2] ?? '').toLowerCase()]
  const bytesPerSecond = match === null || unit === undefined ? 0 : Number(match[1]) * unit
  if (bytesPerSecond >= LIMITS.minBandwidth && bytesPerSecond <= Number.MAX_SAFE_INTEGER)
    return bytesPerSecond
  throw new GodwitError(
    'bad-arguments',
    `write bytes a second, at least ${LIMITS.minBandwidth}, or with a unit like 100MiB or 1gbit`,
  )
}

const SIZES: Record<string, number> = { '': 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 }

/** `1073741824`, `1GiB`, `1.5 GiB`. Throws `bad-arguments` naming `flag`. */
export function parseBytes(flag: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(B|KiB|MiB|GiB|TiB|)$/.exec(text.trim())
  const bytes = match === null ? 0 : Math.floor(Number(match[1]) * (SIZES[match[2] ?? ''] ?? 1))
  if (!(bytes > 0) || !Number.isSafeInteger(bytes))
    throw new GodwitError('bad-arguments', `${flag} ${text}: write bytes like 1073741824 or 2GiB`)
  return bytes
}

/** `512 B`, `1.5 KiB`, `12.0 MiB`, `1.50 GiB`. */
export function sayBytes(bytes: number): string {
  if (bytes < 2 ** 10) return `${bytes} B`
  if (bytes < 2 ** 20) return `${(bytes / 2 ** 10).toFixed(1)} KiB`
  if (bytes < 2 ** 30) return `${(bytes / 2 ** 20).toFixed(1)} MiB`
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`
}
