/** The name of a job whose owner gave it none: made by the coordinator, or by a command that has to know it before the answer comes. */
import { randomBytes } from 'node:crypto'
import { basename, extname } from 'node:path'

const MAX_MADE_ID_LENGTH = 60
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** `<program>-<4 characters>`. */
export function makeWorkloadId(program: string): string {
  const stem = basename(program, extname(program)).replace(/[^A-Za-z0-9._-]/g, '-')
  const start = stem.replace(/^[^A-Za-z0-9]+/, '').slice(0, MAX_MADE_ID_LENGTH)
  return `${start === '' ? 'program' : start}-${randomText(4)}`
}

/** So many lower-case letters and digits. */
export function randomText(length: number): string {
  return Array.from(randomBytes(length), (byte) => ALPHABET[byte % ALPHABET.length]).join('')
}
