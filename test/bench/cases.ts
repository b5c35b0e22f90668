/**
 * What is moved: cases that dirty memory in ways that differ, and the three real programs.
 *
 * A case states what a person would want to know before believing its figures: how much memory, how much of it a step
 * writes, how long a step takes, what downtime is allowed.
 */
import { fileURLToPath } from 'node:url'
import type { MigrationOptions } from '@godwit/protocol'

const MIB = 2 ** 20
const PAGE_BYTES = 4096
const programFile = (name: string): string => fileURLToPath(new URL(`./programs/${name}.ts`, import.meta.url))

export interface BenchCase {
  readonly name: string
  /** What it does, for the table of cases in `--help`. */
  readonly text: string
  /** A program's file, or a name that the trainer has. */
  readonly program: string
  readonly parameters: Readonly<Record<string, number | string | boolean>>
  /** Bytes of pages that one step writes: what the floor sends. */
  readonly dirtyBytesPerStep: number
  /** Steps before a move by which the usual pace is known. */
  readonly stepsBefore: number
  readonly downtimeLimitMs: number
  /** What else this case needs of a migration in order to end. */
  readonly options: Partial<MigrationOptions>
}

interface SyntheticSpec {
  readonly name: string
  readonly text: string
  readonly pattern: 'idle' | 'random' | 'burst' | 'adam'
  readonly arenaMib: number
  readonly writtenKib?: number
  readonly stepMs: number
  readonly stepsBefore: number
  readonly downtimeLimitMs: number
  readonly options?: Partial<MigrationOptions>
}

const SYNTHETIC_SPECS: readonly SyntheticSpec[] = [
  {
    name: 'idle',
    text: '256 MiB, nothing written, 10 ms a step',
    pattern: 'idle',
    arenaMib: 256,
    stepMs: 10,
    stepsBefore: 100,
    downtimeLimitMs: 50,
  },
  {
    name: 'sparse',
    text: '128 MiB, 1 MiB of single pages at random places each 10 ms, a delta of 64 bytes',
    pattern: 'random',
    arenaMib: 128,
    writtenKib: 1024,
    stepMs: 10,
    stepsBefore: 100,
    downtimeLimitMs: 50,
  },
  {
    name: 'dense',
    text: '128 MiB, the same 32 MiB rewritten in one burst after each 100 ms, a delta of 64 bytes',
    pattern: 'burst',
    arenaMib: 128,
    writtenKib: 32 * 1024,
    stepMs: 100,
    stepsBefore: 12,
    downtimeLimitMs: 100,
  },
  {
    name: 'adam',
    text: '128 MiB of parameters and two moments rewritten each 250 ms, a delta of a third of it',
    pattern: 'adam',
    arenaMib: 128,
    stepMs: 250,
    stepsBefore: 6,
    downtimeLimitMs: 300,
  },
  {
    name: 'large',
    text: '1 GiB, the same 64 MiB rewritten in one burst after each 200 ms',
    pattern: 'burst',
    arenaMib: 1024,
    writtenKib: 64 * 1024,
    stepMs: 200,
    stepsBefore: 8,
    downtimeLimitMs: 100,
  },
  {
    name: 'runaway',
    text: '128 MiB, all of it rewritten as fast as memory goes; migrated with onStall: throttle',
    pattern: 'burst',
    arenaMib: 128,
    writtenKib: 128 * 1024,
    stepMs: 0,
    stepsBefore: 40,
    downtimeLimitMs: 500,
    options: { onStall: 'throttle' },
  },
]

/** Pages that a step of a real program writes: what `test/bench/codec.ts` finds by comparing. */
const REAL_CASES: readonly BenchCase[] = [
  real('mnist-mlp', { dirtyPagesPerStep: 1407, stepsBefore: 40, downtimeLimitMs: 100 }),
  real('char-transformer', { dirtyPagesPerStep: 2425, stepsBefore: 4, downtimeLimitMs: 100 }),
  real('word-embeddings', { dirtyPagesPerStep: 155, stepsBefore: 300, downtimeLimitMs: 50 }),
]

export const CASE_NAMES: readonly string[] = [...SYNTHETIC_SPECS, ...REAL_CASES].map(({ name }) => name)

/** The case of this name; `arenaMib` makes a synthetic one smaller or larger. Undefined when there is none. */
export function benchCase(name: string, arenaMib?: number): BenchCase | undefined {
  const spec = SYNTHETIC_SPECS.find((each) => each.name === name)
  if (spec !== undefined) return synthetic({ ...spec, arenaMib: arenaMib ?? spec.arenaMib })
  return REAL_CASES.find((each) => each.name === name)
}

function synthetic(spec: SyntheticSpec): BenchCase {
  const { name, text, pattern, arenaMib, writtenKib = 0, stepMs, stepsBefore, downtimeLimitMs } = spec
  const arenaBytes = arenaMib * MIB
  return {
    name,
    text,
    program: programFile('synthetic'),
    parameters: { seed: 1, pattern, arenaMib, writtenKib, stepMs },
    dirtyBytesPerStep: pattern === 'adam' ? arenaBytes : Math.min(arenaBytes, writtenKib * 1024),
    stepsBefore,
    downtimeLimitMs,
    options: spec.options ?? {},
  }
}

/** Timed, and with validation put off for ever: one long step would be taken for a pause. */
function real(
  name: string,
  { dirtyPagesPerStep, ...rest }: { dirtyPagesPerStep: number; stepsBefore: number; downtimeLimitMs: number },
): BenchCase {
  const dirtyBytesPerStep = dirtyPagesPerStep * PAGE_BYTES
  return {
    name,
    text: `the real program, ${(dirtyBytesPerStep / MIB).toFixed(1)} MiB written a step`,
    program: programFile(name),
    parameters: { validateEvery: 1e9 },
    dirtyBytesPerStep,
    options: {},
    ...rest,
  }
}
