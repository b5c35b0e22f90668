/**
 * What every fuzz test has in common: how many inputs, from which seed, and what counts as found.
 *
 * A decoder of bytes from outside may do two things: return a value, or throw a `GodwitError` of a kind that it says it throws.
 * Everything else is a bug: another exception ends a process, and a kind that nobody expects is handled by nobody.
 *
 * The seed is printed; GODWIT_SEED makes the same inputs again, GODWIT_FUZZ_RUNS more or fewer of them
 * (`npm run fuzz -- --runs N --seed S`).
 */
import { createHash } from 'node:crypto'
import { type ErrorKind, GodwitError } from '@godwit/protocol'
import fc from 'fast-check'
import { test } from 'vitest'

/** Inputs for each decoder of what comes over a network. */
const RUNS = Number(process.env.GODWIT_FUZZ_RUNS ?? 100_000)
const SEED = process.env.GODWIT_SEED ?? String(Date.now() % 1_000_000)

/** A seed for `purpose`, independent of those for another. */
export function seedFor(purpose: string): number {
  return createHash('sha256').update(`${SEED}/${purpose}`).digest().readInt32LE(0)
}

/**
 * Runs `check` on `RUNS` inputs, or on a `share` of them where one input takes long. A failure says how to repeat it, and
 * fast-check the smallest input that fails.
 */
export function fuzz<Input>(
  what: string,
  inputs: fc.Arbitrary<Input>,
  check: (input: Input) => void | Promise<void>,
  { share = 1 }: { share?: number } = {},
): void {
  const numRuns = Math.max(1, Math.round(RUNS * share))
  test(`${what} (${numRuns} inputs)`, { timeout: 600_000 + numRuns * 10 }, async () => {
    const parameters = { seed: seedFor(what), numRuns }
    const isAsync = check.constructor.name === 'AsyncFunction'
    // Of a hundred thousand refusals nobody reads where they came from.
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    const found = isAsync
      ? await fc.check(
          fc.asyncProperty(inputs, async (input) => check(input)),
          parameters,
        )
      : fc.check(
          fc.property(inputs, (input) => void check(input)),
          parameters,
        )
    Error.stackTraceLimit = limit
    if (!found.failed) return
    const replay = `replay with GODWIT_SEED=${SEED} GODWIT_FUZZ_RUNS=${RUNS}\n${await fc.asyncDefaultReportMessage(found)}`
    let cause: unknown
    try {
      if (found.counterexample !== null) await check(found.counterexample[0])
    } catch (error) {
      cause = error
    }
    throw new Error(replay, { cause })
  })
}

/** What `decode` returns; undefined when it refused as it may. Throws what is a bug. */
export function valueOrRefusal<Value>(decode: () => Value, kinds: readonly ErrorKind[]): Value | undefined {
  try {
    return decode()
  } catch (error) {
    checkRefusal(error, kinds)
    return undefined
  }
}

/** Sentences that are logged and shown: a peer must not decide how long they are. */
const MAX_SENTENCE_LENGTH = 1000

export function checkRefusal(error: unknown, kinds: readonly ErrorKind[]): void {
  if (!(error instanceof GodwitError)) throw error
  if (!kinds.includes(error.kind))
    throw new Error(`refused as ${error.kind}: ${error.message}`, { cause: error })
  if (error.message.length > MAX_SENTENCE_LENGTH)
    throw new Error(`a sentence of ${error.message.length} characters: ${error.message.slice(0, 200)}`)
}

console.log(`fuzz: replay with GODWIT_SEED=${SEED}`)
