/**
 * Goal: what is particular to the kernel's tracking: nothing leaks, a failing kernel loses no page, and its refusals
 * say what to do. Method: the real kernel where there is one, and one that fails on purpose.
 */
import { readdirSync, readlinkSync } from 'node:fs'
import { GodwitError } from '@godwit/protocol'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Arena } from './arena.ts'
import { proveUserfaultfd } from './choose-tracker.ts'
import { pagedBytes, pagesOf } from './dirty-tracker.suite.ts'
import { type Kernel, kernelError, loadKernel } from './kernel.ts'
import { arenaBytes } from './layout.ts'
import { whyNot } from './test-needs.ts'
import { UserfaultfdTracker } from './userfaultfd.ts'

/** Descriptors of this process that tracking opens. */
function openDescriptors(): string[] {
  return readdirSync('/proc/self/fd')
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return '' // The directory's own descriptor is gone by now.
      }
    })
    .filter((target) => target.includes('userfaultfd') || target.endsWith('/pagemap'))
}

function messageOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    expect(error).toBeInstanceOf(GodwitError)
    return (error as GodwitError).message
  }
  return 'nothing thrown'
}

// Goal: an errno becomes a sentence that helps. Method: one with advice, one without, one unknown, out of memory.
test('errors of the kernel name the call, the errno and what to do', () => {
  expect(kernelError('userfaultfd', 1).message).toMatch(/^userfaultfd failed with EPERM \(1\): .*--device/)
  expect(kernelError('PAGEMAP_SCAN', 14).message).toBe('PAGEMAP_SCAN failed with EFAULT (14).')
  expect(kernelError('x', 9999).message).toBe('x failed with errno 9999 (9999).')
  expect(kernelError('UFFDIO_REGISTER', 12).kind).toBe('out-of-memory')
  expect(kernelError('UFFDIO_API', 22).kind).toBe('internal')
})

const missing = whyNot(proveUserfaultfd)

describe.skipIf(missing !== undefined)(
  `userfaultfd${missing === undefined ? '' : ` is missing: ${missing}`}`,
  () => {
    function setUp(kernelChanges: Partial<Kernel> = {}) {
      const { bytes } = pagedBytes(32)
      const tracker = new UserfaultfdTracker(bytes, {
        kernel: { ...loadKernel(), ...kernelChanges },
        regionsPerScan: 2,
      })
      onTestFinished(() => tracker.close())
      return { bytes, tracker }
    }

    // Goal: nothing stays open, also when opening fails halfway. Method: count descriptors.
    test('closes what it opened', () => {
      const before = openDescriptors().length
      const { tracker } = setUp()
      tracker.arm()
      expect(openDescriptors().length).toBe(before + 2)
      tracker.close()
      expect(openDescriptors().length).toBe(before)
      const { bytes } = pagedBytes(1)
      const kernel = { ...loadKernel(), pageBytes: 65_536 }
      expect(messageOf(() => new UserfaultfdTracker(bytes, { kernel }))).toContain('65536')
      expect(openDescriptors().length).toBe(before)
    })

    // Goal: a scan that fails halfway has taken pages that nobody was told of: the next one must return everything.
    // Method: the second of several scans fails once.
    test('a scan that fails halfway loses nothing', () => {
      const real = loadKernel()
      let scans = 0
      const { bytes, tracker } = setUp({
        scanWritten: (...scan) => {
          scans += 1
          if (scans === 2) throw kernelError('PAGEMAP_SCAN', 12)
          return real.scanWritten(...scan)
        },
      })
      tracker.arm()
      for (const page of [1, 3, 5, 7, 9]) bytes[page * 4096] = 1
      expect(messageOf(() => tracker.collect())).toContain('ENOMEM')
      expect(tracker.collect().isFull).toBe(true)
      expect(tracker.collect().size).toBe(0)
      bytes[0] = 1
      expect(pagesOf(tracker.collect())).toEqual([0])
    })

    // Goal: arming that fails halfway leaves nothing behind and may be tried again. Method: protecting fails once.
    test('arming that fails halfway is undone', () => {
      const real = loadKernel()
      let fails = true
      const { bytes, tracker } = setUp({
        writeProtect: (...range) => {
          if (fails) throw kernelError('UFFDIO_WRITEPROTECT', 12)
          real.writeProtect(...range)
        },
      })
      expect(messageOf(() => tracker.arm())).toContain('ENOMEM')
      expect(tracker.isArmed).toBe(false)
      bytes[0] = 1
      fails = false
      tracker.arm()
      bytes[4096] = 1
      expect(pagesOf(tracker.collect())).toEqual([1])
    })

    // Goal: memory that is no longer registered is an error, never "nothing was written". Method: unregister it behind
    // the tracker's back.
    test('a lost registration is noticed', () => {
      const real = loadKernel()
      let registered: Parameters<Kernel['register']> | undefined
      const { bytes, tracker } = setUp({
        register: (...range) => {
          registered = range
          real.register(...range)
        },
      })
      tracker.arm()
      if (registered !== undefined) real.unregister(...registered)
      bytes[0] = 1
      expect(messageOf(() => tracker.collect())).toContain('PAGEMAP_SCAN failed with EPERM')
    })

    // Goal: addresses and page numbers stay exact in the largest arena. Method: 4 GiB of memory, three pages of which
    // are ever touched.
    test('an arena of 4 GiB', () => {
      const arena = new Arena()
      arena.tensor('all', 'uint8', [2 ** 32])
      const bytes = arenaBytes(arena.memory, arena.seal())
      const tracker = new UserfaultfdTracker(bytes)
      onTestFinished(() => tracker.close())
      tracker.arm()
      bytes[0] = 1
      bytes[2 ** 31] = 1
      bytes[2 ** 32 - 1] = 1
      expect(pagesOf(tracker.collect())).toEqual([0, 2 ** 19, 2 ** 20 - 1])
      expect(tracker.image[2 ** 32 - 1]).toBe(1)
      expect(tracker.collect().size).toBe(0)
    })
  },
)
