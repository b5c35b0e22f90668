/**
 * Random numbers as a function: the same key and counter give the same bits, on every machine, in any order.
 *
 * A generator that walks would have to be saved, moved and restored; one that is asked "what is number 5,000,017
 * of this stream?" needs no state but the step counter that a program has anyway. So a step that is repeated, or
 * first computed at the target of a move, draws exactly the batch it would have drawn at home.
 *
 * The function is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as
 * 1, 2, 3", SC 2011): additions, rotations and xors of 32-bit words, which JavaScript does exactly.
 */

/** A stream of random words: `seed` is the person's, `stream` keeps the uses of one seed apart. Both 32 bits. */
export interface RandomKey {
  readonly seed: number
  readonly stream: number
}

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24] as const
const KEY_PARITY = 0x1bd11bda

/** Encrypts the 64-bit counter (low, high) under the key (low, high), into `out[0]` and `out[1]`. */
export function threefry2x32(
  key: readonly [number, number],
  counter: readonly [number, number],
  out: Uint32Array,
): void {
  const schedule = [key[0] | 0, key[1] | 0, (KEY_PARITY ^ key[0] ^ key[1]) | 0] as const
  let a = (counter[0] + schedule[0]) | 0
  let b = (counter[1] + schedule[1]) | 0
  for (let group = 0; group < 5; group++) {
    for (let round = 0; round < 4; round++) {
      const bits = ROTATIONS[(group % 2) * 4 + round] as number
      a = (a + b) | 0
      b = ((b << bits) | (b >>> (32 - bits))) ^ a
    }
    a = (a + (schedule[(group + 1) % 3] as number)) | 0
    b = (b + (schedule[(group + 2) % 3] as number) + group + 1) | 0
  }
  out[0] = a
  out[1] = b
}

const pair = new Uint32Array(2)

/** Word number `counter` (an integer from 0 to 2^53) of the stream: uniform over 0 to 2^32 - 1. */
export function randomWord(key: RandomKey, counter: number): number {
  threefry2x32([key.seed, key.stream], [counter | 0, Math.floor(counter / 2 ** 32)], pair)
  return pair[0] as number
}

/** A number in [0, 1), a multiple of 2^-32. */
export function randomUnit(key: RandomKey, counter: number): number {
  return randomWord(key, counter) / 2 ** 32
}

/** An integer in [0, count). With `count` below 2^20 no value is likelier than another by more than 2^-12. */
export function randomIndex(key: RandomKey, counter: number, count: number): number {
  return Math.floor(randomUnit(key, counter) * count)
}

/** Fills `target` with numbers uniform in [-limit, limit): element i is word i of the stream. */
export function fillUniform(target: Float32Array, key: RandomKey, limit: number): void {
  for (let i = 0; i < target.length; i++) target[i] = (2 * randomUnit(key, i) - 1) * limit
}

/**
 * A shuffle that is computed, not stored: `at(i)` for i in [0, count) is a permutation chosen by the key.
 *
 * Four Feistel rounds permute the smallest even number of bits that holds `count`; a result outside the range is
 * permuted again until it falls inside, which keeps it a permutation (Black and Rogaway: "Ciphers with Arbitrary
 * Finite Domains", CT-RSA 2002). At most four tries on average. A deck for training, not for secrets.
 */
export function shuffle(key: RandomKey, count: number): { at(index: number): number } {
  if (!Number.isInteger(count) || count < 1 || count > 2 ** 30)
    throw new RangeError(`Cannot shuffle ${count} items`)
  let halfBits = 1
  while (4 ** halfBits < count) halfBits++
  const mask = 2 ** halfBits - 1
  const roundKeys = [0, 1, 2, 3].map((round) => randomWord(key, round))
  return {
    at(index) {
      if (!(index >= 0 && index < count)) throw new RangeError(`No item ${index} among ${count}`)
      let value = index
      do {
        let left = value >>> halfBits
        let right = value & mask
        for (const roundKey of roundKeys) {
          const mixed = (left ^ mix(right ^ roundKey)) & mask
          left = right
          right = mixed
        }
        value = (left << halfBits) | right
      } while (value >= count)
      return value
    },
  }
}

/** The finaliser of MurmurHash3 (Appleby): every bit of the input reaches every bit of the output. */
function mix(word: number): number {
  let h = word
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
