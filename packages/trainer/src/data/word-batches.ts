/**
 * What a skip-gram step trains on: a stretch of text whose neighbours are pulled together, and words drawn from the
 * whole vocabulary that are pushed away. Both are functions of the seed and the step.
 *
 * A batch is one stretch rather than scattered pairs: each of its words is centre and context at once, and all share
 * one set of drawn words (Ji, Satish, Li, Dubey: "Parallelizing Word2Vec in Shared and Distributed Memory", 2016).
 * So five hundred pairs touch some hundred and fifty rows, most of them frequent words that share pages, and
 * the arithmetic becomes small matrix products.
 */
import { type RandomKey, randomIndex, randomUnit } from '../random.ts'

/** A word more frequent than this part of the text is skipped now and then (Mikolov et al., NeurIPS 2013, section 2.3). */
const FREQUENT = 1e-3

/** Draws of one step lie together, below this many. */
const DRAWS_PER_STEP = 2 ** 16

/** The text that is trained on, and how often each word of the vocabulary is used in all. */
export interface Corpus {
  readonly words: Int32Array
  readonly counts: Uint32Array
}

/** Gives `length` words as they follow each other in the text, from a place that the step draws, frequent ones thinned. */
export function stretches(
  { words, counts }: Corpus,
  length: number,
): (key: RandomKey, step: number) => Int32Array {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const keep = Float64Array.from(counts, (count) => {
    const ratio = (FREQUENT * total) / count
    return Math.sqrt(ratio) + ratio
  })
  return (key, step) => {
    const stretch = new Int32Array(length)
    const firstDraw = step * DRAWS_PER_STEP
    const place = randomIndex(key, firstDraw, words.length)
    let taken = 0
    for (let walked = 0; taken < length; walked++) {
      if (walked === DRAWS_PER_STEP - 1)
        throw new RangeError(`No ${length} words within ${walked} of place ${place}`)
      const word = words[(place + walked) % words.length] as number
      if (randomUnit(key, firstDraw + 1 + walked) < (keep[word] as number)) stretch[taken++] = word
    }
    return stretch
  }
}

/** Draws `count` words with probability proportional to their frequency to the power 3/4, as word2vec does. */
export function negatives({ counts }: Corpus, count: number): (key: RandomKey, step: number) => Int32Array {
  const reached = new Float64Array(counts.length)
  let total = 0
  for (let word = 0; word < counts.length; word++) {
    const root = Math.sqrt(counts[word] as number)
    total += root * Math.sqrt(root)
    reached[word] = total
  }
  return (key, step) =>
    Int32Array.from({ length: count }, (_, i) => {
      const target = randomUnit(key, step * count + i) * total
      let [low, high] = [0, counts.length - 1]
      while (low < high) {
        const middle = (low + high) >>> 1
        if ((reached[middle] as number) > target) high = middle
        else low = middle + 1
      }
      return low
    })
}

/** [length, length]: 1 where row and column are different places at most `window` apart. */
export function neighbourMask(length: number, window: number): Float32Array {
  return Float32Array.from({ length: length * length }, (_, i) => {
    const distance = Math.abs(Math.floor(i / length) - (i % length))
    return distance > 0 && distance <= window ? 1 : 0
  })
}
