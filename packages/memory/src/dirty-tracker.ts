/**
 * A dirty tracker answers one question: which pages were written since it was last asked?
 *
 * Pre-copy lives on it: memory is sent while it changes, and what changed is sent again, until what is left is
 * small. Two things make that correct, and both are easy to get wrong.
 *
 * 1. The order: **collect first, copy after.** A page written after it was collected is dirty again and comes with
 *    the next collect. Copied first and collected after, a write in between would be collected without ever being
 *    copied.
 * 2. The source of the copy: **frames are filled from `image`,** never from the arena behind the tracker's back.
 *    With `userfaultfd` the kernel sees every *write*, so copying from the arena is fine: `image` is the arena. With
 *    `compare` only *differences* from a shadow are seen. Say the shadow holds A. The thread writes B, B is copied
 *    from the arena and sent, and then A is written back (A-B-A). The next compare finds nothing, and the receiver
 *    keeps B for ever. Copying from the shadow sends A: whatever the shadow holds, the receiver holds or is about
 *    to get.
 *
 * What both promise, and `dirty-tracker.suite.ts` checks: a receiver that starts with a copy of `image` made while
 * armed, and then keeps copying what `collect` returns, holds the arena's bytes after the first collect and copy
 * that follow the last write. In between it may hold a mixture of older and newer bytes.
 *
 * What neither can see: memory that a *device* writes. A read with O_DIRECT, or into buffers registered with the
 * kernel beforehand, marks its pages when it starts, not when the bytes land. Plain read(2) is seen.
 */
import type { PageSet } from '@godwit/protocol'

/**
 * | kind | how | needs | arm | collect, clean | collect, half dirty | a page's first write |
 * |---|---|---|---|---|---|---|
 * | `userfaultfd` | the kernel write-protects pages and notes the first write to each | Linux 6.7+ (6.10 on arm64), userfaultfd permitted | 5 ms | 0.2 ms | 2 to 3 ms | 1 µs |
 * | `compare` | compares each page with a shadow copy | as much memory again while armed | 0.3 to 1 s | 22 to 40 ms | 55 ms | free |
 *
 * Measured with 256 MiB on a virtual machine with two cores (x86-64, Linux 6.18). Nearly all of `compare`'s arming
 * is the first touch of the shadow's pages, so it depends on the machine most.
 */
export type TrackerKind = 'userfaultfd' | 'compare'

export const TRACKER_KINDS: readonly TrackerKind[] = ['userfaultfd', 'compare']

/**
 * Calling `collect` or reading `image` while not armed, and anything but `close` after `close`, is a bug and fails
 * an assertion. Errors of the world are GodwitErrors, `out-of-memory` or `internal`, with the kernel's reason.
 */
export interface DirtyTracker {
  readonly kind: TrackerKind
  /** Pages watched. */
  readonly pageCount: number
  readonly isArmed: boolean
  /** Where frames are filled from while armed: the arena itself (`userfaultfd`) or the shadow (`compare`). */
  readonly image: Buffer
  /** Starts watching; from here on writes count. While armed it does nothing, and forgets nothing. */
  arm(): void
  /**
   * The pages written since the last collect, or since armed. Writes that happen meanwhile are in this answer or
   * in the next one. After a collect that threw, the next that succeeds returns every page, so nothing is lost.
   */
  collect(): PageSet
  /** Stops watching and gives back what watching costs: writes are as cheap as before. May be armed again. */
  disarm(): void
  /** Disarms and closes what is open. May be called twice. */
  close(): void
}
