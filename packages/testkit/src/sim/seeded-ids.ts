/**
 * Names that code under test makes by chance, made from the seed instead: a run must be the same each time, down to the
 * order in which a store lists its keys.
 *
 * `node:crypto`'s export is replaced while runs are under way. Only a process whose one purpose is to simulate, or a
 * test file of its own, may do so.
 */
import { Buffer } from 'node:buffer'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { Random } from './random.ts'

interface Crypto {
  randomBytes: (size: number) => Buffer
}

const crypto = createRequire(import.meta.url)('node:crypto') as Crypto
const original = crypto.randomBytes

/** Until what it returns is called. */
export function seedIds(seed: number): () => void {
  const random = new Random(seed, 'ids')
  replace((size) => Buffer.from(Array.from({ length: size }, () => random.integer(256))))
  return () => replace(original)
}

function replace(randomBytes: Crypto['randomBytes']): void {
  crypto.randomBytes = randomBytes
  syncBuiltinESMExports()
}
