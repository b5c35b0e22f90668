/**
 * Which tracker a worker uses. Whether the kernel's works here depends on its release, its build, the container's
 * seccomp profile and the user, and no version string tells; so it is tried, on a small memory of its own, before
 * training starts.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { GodwitError, PAGE_BYTES, type PageSet } from '@godwit/protocol'
import { Arena } from './arena.ts'
import { CompareTracker } from './compare.ts'
import type { DirtyTracker, TrackerKind } from './dirty-tracker.ts'
import { arenaBytes } from './layout.ts'
import { UserfaultfdTracker } from './userfaultfd.ts'

export interface ChosenTracker {
  tracker: DirtyTracker
  /** Why `auto` settled for `compare`; absent when nothing better was passed over. */
  reason?: string
}

/**
 * A tracker for the sealed arena's `bytes`, not armed. `auto` takes `userfaultfd` where it proves itself and
 * `compare` elsewhere. Throws GodwitError `bad-arguments` with the reason when `userfaultfd` was asked for by name
 * and can't be had. `prove` is for tests.
 */
export function chooseTracker(
  bytes: Uint8Array,
  wanted: 'auto' | TrackerKind,
  prove: () => void = proveUserfaultfd,
): ChosenTracker {
  if (wanted === 'compare') return { tracker: new CompareTracker(bytes) }
  try {
    prove()
    return { tracker: new UserfaultfdTracker(bytes) }
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    if (wanted === 'auto') return { tracker: new CompareTracker(bytes), reason }
    throw new GodwitError(
      'bad-arguments',
      `The userfaultfd tracker can't be used on this host: ${reason} The tracker "auto" takes compare instead.`,
      { cause },
    )
  }
}

/**
 * Write, collect, compare: throws a GodwitError that says why when the kernel's tracking is missing or tells
 * anything but the truth. Takes 0.6 ms, 10 ms the first time (binding the calls).
 */
export function proveUserfaultfd(): void {
  const arena = new Arena()
  arena.tensor('scratch', 'uint8', [64 * PAGE_BYTES])
  const bytes = arenaBytes(arena.memory, arena.seal())
  bytes[3 * PAGE_BYTES] = 1 // Page 3 exists before it is watched, the others don't.
  const tracker = new UserfaultfdTracker(bytes)
  try {
    tracker.arm()
    expectPages(tracker.collect(), [], 'after nothing was written')
    bytes[0] = 1
    bytes[3 * PAGE_BYTES] = 2
    bytes[64 * PAGE_BYTES - 1] = 1
    expectPages(tracker.collect(), [0, 3, 63], 'after three pages were written')
    bytes[3 * PAGE_BYTES] = 2
    readZeros(bytes.subarray(9 * PAGE_BYTES, 10 * PAGE_BYTES))
    expectPages(tracker.collect(), [3, 9], 'after a rewrite and a read(2)')
    expectPages(tracker.collect(), [], 'after everything was collected')
  } finally {
    tracker.close()
  }
}

/** Has the kernel write, not this thread: that takes another path to the same page. */
function readZeros(into: Uint8Array): void {
  const file = openSync('/dev/zero', 'r')
  try {
    readSync(file, into)
  } finally {
    closeSync(file)
  }
}

function expectPages(found: PageSet, expected: readonly number[], when: string): void {
  const pages = [...found.runs()].flatMap(({ firstPage, pageCount }) =>
    Array.from({ length: pageCount }, (_, index) => firstPage + index),
  )
  if (pages.join() === expected.join()) return
  throw new GodwitError(
    'internal',
    `The kernel reported written pages [${pages.join(', ')}] instead of [${expected.join(', ')}] ${when}; it can't be trusted with tracking.`,
  )
}
