/**
 * What every dirty tracker must do, whatever it is made of. A new tracker is held to it by one more call in
 * dirty-tracker.test.ts.
 *
 * Most of it is one oracle: a receiver that knows nothing but the rules (copy everything from `image` once, then
 * copy what each `collect` returns) must end up with the arena's bytes. The oracle is exported, and shown to fail
 * on trackers that break the rules.
 */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { PAGE_BYTES, PageSet } from '@godwit/protocol'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Arena } from './arena.ts'
import type { DirtyTracker } from './dirty-tracker.ts'
import { arenaBytes } from './layout.ts'
import { DirtyPages } from './subscriptions.ts'
import type { SharedMemory } from './webassembly.ts'

export interface TrackerUnderTest {
  name: string
  create(bytes: Uint8Array): DirtyTracker
}

/** The paged bytes of a new arena that was grown page by page, as real ones are. */
export function pagedBytes(pageCount: number): { bytes: Uint8Array; memory: SharedMemory } {
  const arena = new Arena()
  arena.tensor('first', 'uint8', [PAGE_BYTES])
  if (pageCount > 1) arena.tensor('rest', 'uint8', [(pageCount - 1) * PAGE_BYTES])
  return { bytes: arenaBytes(arena.memory, arena.seal()), memory: arena.memory }
}

/** The other side of a migration, reduced to its rules. Everything it has, it has from `image`. */
export class Receiver {
  readonly bytes: Buffer

  constructor(pageCount: number) {
    this.bytes = Buffer.alloc(pageCount * PAGE_BYTES, 0xee)
  }

  install(image: Buffer, pages: PageSet): void {
    for (const { firstPage, pageCount } of pages.runs()) {
      const start = firstPage * PAGE_BYTES
      image.copy(this.bytes, start, start, start + pageCount * PAGE_BYTES)
    }
  }

  /** Collects first, copies after; returns what was collected. */
  follow(tracker: DirtyTracker): PageSet {
    const pages = tracker.collect()
    this.install(tracker.image, pages)
    return pages
  }

  /** The first page in which the receiver and the arena differ, or -1: the oracle's verdict. */
  firstDifference(bytes: Uint8Array): number {
    const arena = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let start = 0; start < arena.length; start += PAGE_BYTES) {
      if (arena.compare(this.bytes, start, start + PAGE_BYTES, start, start + PAGE_BYTES) !== 0) {
        return start / PAGE_BYTES
      }
    }
    return -1
  }
}

/** Arms the tracker and gives a receiver the whole image. */
export function start(tracker: DirtyTracker): Receiver {
  tracker.arm()
  const receiver = new Receiver(tracker.pageCount)
  receiver.install(tracker.image, PageSet.full(tracker.pageCount))
  return receiver
}

/**
 * The trap of trackers that compare: A is collected, B is there while the page is copied, and A is back before the
 * next collect. Returns the oracle's verdict.
 */
export function writeThereAndBack(tracker: DirtyTracker, bytes: Uint8Array): number {
  const receiver = start(tracker)
  bytes[PAGE_BYTES] = 1 // A
  const pages = tracker.collect()
  bytes[PAGE_BYTES] = 2 // B
  receiver.install(tracker.image, pages)
  bytes[PAGE_BYTES] = 1 // A again
  receiver.follow(tracker)
  return receiver.firstDifference(bytes)
}

/**
 * Writes bytes that flip between few values (so that A-B-A happens by itself) to random places until told to stop.
 * Plain JavaScript: it runs in a thread that knows no TypeScript. `progress` is [stop, writes done].
 */
const WRITER = `
const { bytes, progress } = require('node:worker_threads').workerData
let random = 0x9e3779b9
for (let count = 1; Atomics.load(progress, 0) === 0; count++) {
  random ^= random << 13; random ^= random >>> 17; random ^= random << 5
  bytes[(random >>> 0) % bytes.length] = count & 1
  if (count % 64 === 0) { Atomics.add(progress, 1, 64); Atomics.notify(progress, 1) }
}
`

/** Follows a thread that writes all the time through `rounds` rounds, then to its end. Returns the oracle's verdict. */
export async function followAnotherThread(
  tracker: DirtyTracker,
  bytes: Uint8Array,
  rounds: number,
): Promise<number> {
  const progress = new Int32Array(new SharedArrayBuffer(8))
  const receiver = start(tracker)
  const writer = new Worker(WRITER, { eval: true, workerData: { bytes, progress } })
  const exited = once(writer, 'exit')
  try {
    for (let round = 0; round < rounds; round++) {
      // Each round must see new writes, otherwise nothing would be tried.
      const seen = Atomics.load(progress, 1)
      if (Atomics.wait(progress, 1, seen, 20_000) === 'timed-out')
        throw new Error('the writer does not write')
      receiver.follow(tracker)
    }
  } finally {
    Atomics.store(progress, 0, 1)
    await exited
  }
  receiver.follow(tracker)
  return receiver.firstDifference(bytes)
}

export function pagesOf(set: PageSet): number[] {
  return [...set.runs()].flatMap(({ firstPage, pageCount }) =>
    Array.from({ length: pageCount }, (_, index) => firstPage + index),
  )
}

/** Changes one byte of each page, never back to what it was, so that both kinds of tracker must see it. */
function touch(bytes: Uint8Array, pages: Iterable<number>): void {
  for (const page of pages) {
    const offset = page * PAGE_BYTES + (page % PAGE_BYTES)
    bytes[offset] = (bytes[offset] ?? 0) + 1
  }
}

export function describeDirtyTracker({ name, create }: TrackerUnderTest): void {
  function setUp(pageCount: number) {
    const { bytes, memory } = pagedBytes(pageCount)
    const tracker = create(bytes)
    onTestFinished(() => tracker.close())
    return { bytes, memory, tracker }
  }

  describe(`dirty tracker: ${name}`, () => {
    // Goal: a clean arena is clean, whether its pages exist or not. Method: some pages touched before arming.
    test('nothing written is nothing collected', () => {
      const { bytes, tracker } = setUp(64)
      touch(bytes, [5, 6])
      tracker.arm()
      expect(pagesOf(tracker.collect())).toEqual([])
      expect(bytes[20 * PAGE_BYTES]).toBe(0) // A read of a page that doesn't exist yet is no write.
      expect(pagesOf(tracker.collect())).toEqual([])
    })

    // Goal: no off-by-one at the ends. Method: exactly the first and last byte of the arena.
    test('the first and the last page are seen', () => {
      const { bytes, tracker } = setUp(64)
      tracker.arm()
      bytes[0] = 1
      bytes[bytes.length - 1] = 1
      expect(pagesOf(tracker.collect())).toEqual([0, 63])
      expect(pagesOf(tracker.collect())).toEqual([])
    })

    // Goal: an arena of a single page, the smallest there is. Method: one write, one collect.
    test('an arena of one page', () => {
      const { bytes, tracker } = setUp(1)
      const receiver = start(tracker)
      bytes[17] = 1
      expect(pagesOf(receiver.follow(tracker))).toEqual([0])
      expect(receiver.firstDifference(bytes)).toBe(-1)
    })

    // Goal: everything written is everything collected. Method: fill, twice.
    test('everything written is everything collected', () => {
      const { bytes, tracker } = setUp(300)
      const receiver = start(tracker)
      for (const value of [1, 2]) {
        bytes.fill(value)
        expect(receiver.follow(tracker).isFull).toBe(true)
        expect(receiver.firstDifference(bytes)).toBe(-1)
      }
    })

    // Goal: more regions than a scan can return at once. Method: every other page of an arena with 4,500 of them.
    test('more regions than the vector holds', () => {
      const { bytes, tracker } = setUp(9_000)
      const receiver = start(tracker)
      const odd = Array.from({ length: 4_500 }, (_, index) => 2 * index + 1)
      touch(bytes, odd)
      expect(pagesOf(receiver.follow(tracker))).toEqual(odd)
      expect(receiver.firstDifference(bytes)).toBe(-1)
      expect(tracker.collect().size).toBe(0)
    })

    // Goal: A-B-A between collect and copy leaves the receiver with A. Method: the receiver follows the rules.
    test('a write and its undoing between collect and copy', () => {
      const { bytes, tracker } = setUp(8)
      expect(writeThereAndBack(tracker, bytes)).toBe(-1)
    })

    // Goal: nothing is lost while another thread writes all the time. Method: it writes at random; after its end
    // one more collect and copy must make receiver and arena equal.
    test('another thread writes while pages are collected', async () => {
      const { bytes, tracker } = setUp(256)
      expect(await followAnotherThread(tracker, bytes, 300)).toBe(-1)
    })

    // Goal: writes by the kernel on the program's behalf count. Method: read(2) over page borders, from this thread
    // and from the thread pool.
    test('writes by read(2) are seen', async () => {
      const { bytes, tracker } = setUp(64)
      const receiver = start(tracker)
      const file = openSync('/dev/urandom', 'r')
      try {
        const offset = 3 * PAGE_BYTES - 100
        expect(readSync(file, bytes, offset, 2 * PAGE_BYTES, null)).toBe(2 * PAGE_BYTES)
      } finally {
        closeSync(file)
      }
      expect(pagesOf(receiver.follow(tracker))).toEqual([2, 3, 4])
      const handle = await open('/dev/urandom')
      try {
        expect((await handle.read(bytes, 40 * PAGE_BYTES + 1, 5000, null)).bytesRead).toBe(5000)
      } finally {
        await handle.close()
      }
      expect(pagesOf(receiver.follow(tracker))).toEqual([40, 41])
      expect(receiver.firstDifference(bytes)).toBe(-1)
    })

    // Goal: starting a process (which shares all pages copy-on-write for a moment) loses nothing. Method: writes
    // before, and after, on the same and other pages.
    test('a child process in between changes nothing', () => {
      const { bytes, tracker } = setUp(16)
      const receiver = start(tracker)
      touch(bytes, [1, 2])
      expect(spawnSync('true').error).toBeUndefined()
      touch(bytes, [2, 3])
      expect(pagesOf(receiver.follow(tracker))).toEqual([1, 2, 3])
      expect(spawnSync('true').error).toBeUndefined()
      touch(bytes, [3])
      expect(pagesOf(receiver.follow(tracker))).toEqual([3])
      expect(receiver.firstDifference(bytes)).toBe(-1)
    })

    // Goal: memory that grows past the arena disturbs nothing. Method: grow while armed; growth sets the protection
    // of the whole mapping anew.
    test('the memory grows while armed', () => {
      const { bytes, memory, tracker } = setUp(16)
      const receiver = start(tracker)
      touch(bytes, [4])
      memory.grow(16)
      touch(bytes, [5])
      new Uint8Array(memory.buffer).fill(1, bytes.length)
      expect(pagesOf(receiver.follow(tracker))).toEqual([4, 5])
      touch(bytes, [6])
      expect(pagesOf(receiver.follow(tracker))).toEqual([6])
      expect(receiver.firstDifference(bytes)).toBe(-1)
    })

    // Goal: arming twice forgets nothing. Method: a write before the second time.
    test('armed twice', () => {
      const { bytes, tracker } = setUp(8)
      tracker.arm()
      touch(bytes, [3])
      tracker.arm()
      touch(bytes, [4])
      expect(pagesOf(tracker.collect())).toEqual([3, 4])
    })

    // Goal: disarming ends it, arming again starts afresh. Method: writes before, between and after.
    test('disarmed and armed again', () => {
      const { bytes, tracker } = setUp(8)
      expect(tracker.isArmed).toBe(false)
      tracker.disarm()
      for (const page of [1, 2, 3]) {
        const receiver = start(tracker)
        expect(tracker.isArmed).toBe(true)
        expect(pagesOf(receiver.follow(tracker))).toEqual([])
        touch(bytes, [page])
        expect(pagesOf(receiver.follow(tracker))).toEqual([page])
        expect(receiver.firstDifference(bytes)).toBe(-1)
        touch(bytes, [6]) // Never collected.
        tracker.disarm()
        touch(bytes, [7])
      }
    })

    // Goal: use out of order is a bug that shows. Method: each forbidden call.
    test('asserts its order of use', () => {
      const { tracker } = setUp(8)
      expect(() => tracker.collect()).toThrow()
      expect(() => tracker.image).toThrow()
      tracker.arm()
      tracker.close()
      tracker.close()
      tracker.disarm()
      expect(() => tracker.collect()).toThrow()
      expect(() => tracker.image).toThrow()
      expect(() => tracker.arm()).toThrow()
    })

    // Goal: two subscribers never steal each other's pages. Method: each takes at other times; both receivers,
    // one of which joins late, must end equal to the arena.
    test('two subscribers', () => {
      const { bytes, tracker } = setUp(32)
      const dirtyPages = new DirtyPages(tracker)
      const join = () => {
        const subscription = dirtyPages.subscribe()
        const receiver = new Receiver(32)
        receiver.install(subscription.image(), PageSet.full(32))
        return { subscription, receiver }
      }
      const migration = join()
      touch(bytes, [1, 2])
      const checkpoint = join()
      touch(bytes, [2, 3])
      const taken = migration.subscription.take()
      expect(pagesOf(taken)).toEqual([1, 2, 3])
      migration.receiver.install(migration.subscription.image(), taken)
      touch(bytes, [4])
      checkpoint.subscription.collect()
      expect(checkpoint.subscription.pendingPageCount()).toBe(3)
      expect(migration.subscription.pendingPageCount()).toBe(1)
      for (const { subscription, receiver } of [checkpoint, migration]) {
        receiver.install(subscription.image(), subscription.take())
        expect(receiver.firstDifference(bytes)).toBe(-1)
        expect(pagesOf(subscription.take())).toEqual([])
      }
      migration.subscription.end()
      migration.subscription.end()
      expect(tracker.isArmed).toBe(true)
      expect(() => migration.subscription.take()).toThrow()
      checkpoint.subscription.end()
      expect(tracker.isArmed).toBe(false)
    })

    // Goal: a round that failed to send loses nothing. Method: its pages are put back, further writes come to it.
    test('a failed round puts its pages back', () => {
      const { bytes, tracker } = setUp(32)
      const subscription = new DirtyPages(tracker).subscribe()
      const receiver = new Receiver(32)
      receiver.install(subscription.image(), PageSet.full(32))
      touch(bytes, [7, 8])
      subscription.putBack(subscription.take())
      touch(bytes, [8, 9])
      const pages = subscription.take()
      expect(pagesOf(pages)).toEqual([7, 8, 9])
      receiver.install(subscription.image(), pages)
      expect(receiver.firstDifference(bytes)).toBe(-1)
    })

    // Goal: for any sequence of writes and collects, what is collected lies between the pages that differ from the
    // receiver's and the pages that were written, and the receiver converges. Method: a model of two sets of pages.
    test('any sequence of writes and collects', () => {
      const pageCount = 40
      const { bytes, tracker } = setUp(pageCount)
      const write = fc.record({
        offset: fc.nat(pageCount * PAGE_BYTES - 1),
        length: fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 6 * PAGE_BYTES })),
        value: fc.nat(2), // Few values: many writes then change nothing or undo one another.
      })
      const sequence = fc.array(fc.oneof({ weight: 3, arbitrary: write }, fc.constant('collect')), {
        maxLength: 40,
      })
      fc.assert(
        fc.property(sequence, (events) => {
          bytes.fill(0)
          const receiver = start(tracker)
          let written = new Set<number>()
          for (const event of [...events, 'collect' as const]) {
            if (typeof event === 'object') {
              const end = Math.min(event.offset + event.length, bytes.length)
              bytes.fill(event.value, event.offset, end)
              const lastPage = Math.floor((end - 1) / PAGE_BYTES)
              for (let page = Math.floor(event.offset / PAGE_BYTES); page <= lastPage; page++)
                written.add(page)
              continue
            }
            for (const page of pagesOf(receiver.follow(tracker))) expect(written).toContain(page)
            expect(receiver.firstDifference(bytes)).toBe(-1) // So every page that differed was collected.
            written = new Set()
          }
          tracker.disarm()
        }),
      )
    })
  })
}
