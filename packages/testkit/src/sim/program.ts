/**
 * What the simulated jobs compute: a few pages of integers, changed by steps that depend on every page.
 *
 * The intuition: a step reads all of memory and writes a part of it, so that one page that was lost, torn or applied
 * twice changes the loss of every later step. What memory holds after k steps, and each step's loss, follow from the
 * program alone: the reference, which the oracles compare with.
 */
import { hashText, mix } from './random.ts'

export interface ProgramShape {
  readonly seed: number
  readonly pages: number
  /** Pages that a step writes. */
  readonly writes: number
  /** Whether `compute` and `apply` are told apart. */
  readonly splits: boolean
  readonly deltaBytes: number
  readonly computeMs: number
  readonly applyMs: number
  readonly steps: number
}

export interface Memory {
  /** One number for each page. */
  readonly pages: Int32Array
  /** The small state. */
  small: number
}

export function initial({ seed, pages }: ProgramShape): Memory {
  return { pages: Int32Array.from({ length: pages }, (_, page) => mix(seed, page)), small: mix(seed, -1) }
}

/** Changes nothing. What it returns is all that `apply` needs besides memory. */
export function compute(memory: Memory, step: number): number {
  let delta = mix(memory.small, step)
  for (const value of memory.pages) delta = Math.imul(delta ^ value, 0x01000193)
  return mix(delta, step)
}

/** The pages that a step writes, in the order in which it does. */
export function written({ seed, pages, writes }: ProgramShape, step: number): number[] {
  // Half of them always, like an optimizer's state; the rest scattered.
  const list: number[] = []
  for (let index = 0; index < writes; index++) {
    list.push(index % 2 === 0 ? index % pages : (mix(seed + step, index) >>> 0) % pages)
  }
  return list
}

export function writePage(memory: Memory, page: number, delta: number): void {
  memory.pages[page] = mix(memory.pages[page] as number, delta + page)
}

/** After the pages: the small state, and the step's loss. */
export function finishStep(memory: Memory, delta: number): number {
  memory.small = mix(memory.small, delta)
  return delta / 65536
}

export function digestOf(memory: Memory): string {
  return hex64(wordOf(memory))
}

function wordOf(memory: Memory): number {
  let digest = mix(memory.small, 7)
  for (const value of memory.pages) digest = mix(digest, value)
  return digest
}

/** Of paged memory alone. */
export function pagesDigest({ pages }: Memory): string {
  return digestOf({ pages, small: 0 })
}

/** 64 hex digits, as a SHA-256 has them. */
export function hex64(value: number | string): string {
  const word = typeof value === 'number' ? value : hashText(value)
  return (word >>> 0).toString(16).padStart(8, '0').repeat(8)
}

/** What an undisturbed run computes, as far as anybody has asked. */
export class Reference {
  readonly shape: ProgramShape
  readonly #losses: number[] = []
  readonly #digests: number[]
  readonly #memory: Memory

  constructor(shape: ProgramShape) {
    this.shape = shape
    this.#memory = initial(shape)
    this.#digests = [wordOf(this.#memory)]
  }

  lossOf(step: number): number {
    this.#runTo(step + 1)
    return this.#losses[step] as number
  }

  /** Of pages and small state once so many steps are applied. */
  digestAfter(steps: number): string {
    this.#runTo(steps)
    return hex64(this.#digests[steps] as number)
  }

  #runTo(steps: number): void {
    for (let step = this.#losses.length; step < steps; step++) {
      const delta = compute(this.#memory, step)
      for (const page of written(this.shape, step)) writePage(this.#memory, page, delta)
      this.#losses.push(finishStep(this.#memory, delta))
      this.#digests.push(wordOf(this.#memory))
    }
  }
}
