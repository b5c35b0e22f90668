/**
 * Goal: every tracker keeps the promises of dirty-tracker.ts, on every way in which it can be had.
 * Method: one suite, run on each. Then the suite's oracles are fed trackers that break a rule, and must notice.
 */
import { PageSet } from '@godwit/protocol'
import { describe, expect, onTestFinished, test } from 'vitest'
import { proveUserfaultfd } from './choose-tracker.ts'
import { CompareTracker } from './compare.ts'
import {
  describeDirtyTracker,
  followAnotherThread,
  pagedBytes,
  start,
  writeThereAndBack,
} from './dirty-tracker.suite.ts'
import type { DirtyTracker } from './dirty-tracker.ts'
import { whyNot } from './test-needs.ts'
import { UserfaultfdTracker } from './userfaultfd.ts'

describeDirtyTracker({ name: 'compare', create: (bytes) => new CompareTracker(bytes) })

const missing = whyNot(proveUserfaultfd)
if (missing === undefined) {
  describeDirtyTracker({ name: 'userfaultfd', create: (bytes) => new UserfaultfdTracker(bytes) })
  describeDirtyTracker({
    name: 'userfaultfd, 3 regions a scan',
    create: (bytes) => new UserfaultfdTracker(bytes, { regionsPerScan: 3 }),
  })
} else {
  test.skip(`userfaultfd is missing: ${missing}`, () => {})
}

// The way of a process without privileges: it must see the kernel's writes all the same.
const syscallMissing = whyNot(() => new UserfaultfdTracker(pagedBytes(1).bytes, { way: 'syscall' }).close())
if (syscallMissing === undefined) {
  describeDirtyTracker({
    name: 'userfaultfd, user mode only',
    create: (bytes) => new UserfaultfdTracker(bytes, { way: 'syscall' }),
  })
} else {
  test.skip(`the userfaultfd syscall is missing: ${syscallMissing}`, () => {})
}

describe('the suite notices', () => {
  function setUp(pageCount: number) {
    const { bytes } = pagedBytes(pageCount)
    const tracker = new CompareTracker(bytes)
    onTestFinished(() => tracker.close())
    return { bytes, tracker }
  }

  /** `tracker` with something replaced. */
  function broken(tracker: DirtyTracker, how: Partial<DirtyTracker>): DirtyTracker {
    return {
      kind: tracker.kind,
      pageCount: tracker.pageCount,
      isArmed: true,
      image: tracker.image,
      arm: () => tracker.arm(),
      collect: () => tracker.collect(),
      disarm: () => tracker.disarm(),
      close: () => tracker.close(),
      ...how,
    }
  }

  // Goal: the A-B-A oracle can fail. Method: frames filled from the arena although differences are what is tracked.
  test('a compare tracker whose frames are filled from the arena', () => {
    const { bytes, tracker } = setUp(8)
    tracker.arm()
    const image = Buffer.from(bytes.buffer, 0, bytes.length)
    expect(writeThereAndBack(broken(tracker, { image }), bytes)).toBe(1)
  })

  // Goal: the receiver's oracle can fail. Method: whatever reaches to the arena's last page is forgotten.
  test('a tracker that forgets a page, under a writing thread', async () => {
    const { bytes, tracker } = setUp(64)
    tracker.arm()
    const forgetful = (): PageSet => {
      const remembered = new PageSet(64)
      for (const { firstPage, pageCount } of tracker.collect().runs()) {
        if (firstPage + pageCount < 64) remembered.addRun({ firstPage, pageCount })
      }
      return remembered
    }
    expect(
      await followAnotherThread(broken(tracker, { collect: forgetful }), bytes, 50),
    ).toBeGreaterThanOrEqual(0)
  })

  // Goal: copying before collecting is told apart. Method: a write between the copy and the collect.
  test('a receiver that copies first and collects after', () => {
    const { bytes, tracker } = setUp(8)
    const receiver = start(tracker)
    const copiedFirst = Buffer.from(tracker.image)
    bytes[0] = 1
    receiver.install(copiedFirst, tracker.collect())
    receiver.follow(tracker)
    expect(receiver.firstDifference(bytes)).toBe(0)
  })
})
