/**
 * Goal: whatever the disk refuses, what it holds restores, and whoever asked is told what is true. Method: a job of a few pages whose thread is
 * always parked; a disk that lets a single operation fail, each in turn, before it has its effect or after, and then crashes; what is loaded is
 * compared with what memory was.
 */
import { type FromWorker, LIMITS, PAGE_BYTES, PageSet } from '@godwit/protocol'
import { afterEach, expect, test, vi } from 'vitest'
import { CheckpointFolder } from './checkpoint-folder.ts'
import { loadCheckpoint } from './checkpoint-reader.ts'
import { Checkpoints } from './checkpoints.ts'
import type { Files } from './files.ts'
import type { Job, Parked } from './job.ts'
import { drawsFrom, expected, identity, imageAt, PAGES } from './support/checkpointed-job.ts'
import { CrashingDisk } from './support/crashing-disk.ts'

const FOLDER = '/host/checkpoint'
const CHECKPOINTS = 5

type Answer = Extract<FromWorker, { type: 'checkpointed' }>

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** Every operation of `disk` passes through `op`. */
function through(disk: CrashingDisk, op: <T>(act: () => Promise<T>) => Promise<T>): Files {
  return {
    makeFolder: (folder) => op(() => disk.makeFolder(folder)),
    list: (folder) => op(() => disk.list(folder)),
    create: (path) =>
      op(async () => {
        const file = await disk.create(path)
        return {
          write: (bytes) => op(() => file.write(bytes)),
          sync: () => op(() => file.sync()),
          close: () => op(() => file.close()),
        }
      }),
    open: (path) =>
      op(async () => {
        const file = await disk.open(path)
        return {
          byteLength: file.byteLength,
          read: (into, position) => op(() => file.read(into, position)),
          close: () => op(() => file.close()),
        }
      }),
    rename: (from, to) => op(() => disk.rename(from, to)),
    remove: (path) => op(() => disk.remove(path)),
    syncFolder: (folder) => op(() => disk.syncFolder(folder)),
  }
}

function newJob(files: Files): {
  checkpoints: Checkpoints
  told: Answer[]
  /** Takes a step and has it checkpointed. */
  next: () => Promise<Answer>
} {
  const paged = imageAt(0)
  const told: Answer[] = []
  const pending = new PageSet(PAGES)
  const subscription = {
    image: () => paged,
    take: () => {
      const taken = pending.copy()
      pending.clear()
      return taken
    },
    putBack: (pages: PageSet) => pending.addAll(pages),
    end: () => {},
  }
  const control = { step: 0 }
  const job = {
    launch: { workloadId: expected.workload, checkpointEveryMs: 3_600_000 },
    identity,
    paged,
    dirtyPages: { pageCount: PAGES, subscribe: () => subscription },
    spareBytes: paged.length,
    control,
    outputs: { spooled: [] },
    epoch: 1,
    parks: {
      isSwitchingOver: false,
      free: async () => {},
      giveUp: () => {},
      forCheckpoint: async (_: unknown, copy: (parked: Parked) => unknown) =>
        copy({ type: 'parked', park: 1, step: control.step, parkedMs: 0, smallState: new Uint8Array() }),
    },
    tell: (message: Answer) => told.push(message),
  }
  const checkpoints = new Checkpoints(job as unknown as Job, new CheckpointFolder(FOLDER, files))
  const next = async (): Promise<Answer> => {
    const before = Buffer.from(paged)
    control.step += 1
    imageAt(control.step).copy(paged)
    for (let page = 0; page < PAGES; page++) {
      const [start, end] = [page * PAGE_BYTES, (page + 1) * PAGE_BYTES]
      if (before.compare(paged, start, end, start, end) !== 0)
        pending.addRun({ firstPage: page, pageCount: 1 })
    }
    const checkpointId = `step-${control.step}`
    checkpoints.ask(checkpointId)
    return vi.waitFor(() => told.find((answer) => answer.checkpointId === checkpointId) ?? Promise.reject(), {
      interval: 1,
    })
  }
  return { checkpoints, told, next }
}

async function loadedStep(disk: CrashingDisk): Promise<number> {
  const paged = Buffer.alloc(PAGES * PAGE_BYTES, 99)
  const { step } = await loadCheckpoint(new CheckpointFolder(FOLDER, disk), expected, paged)
  expect(paged.equals(imageAt(step))).toBe(true)
  return step
}

test.each(['before', 'after'])(
  'an operation that fails %s its effect leaves a checkpoint that restores',
  async (when) => {
    vi.spyOn(console, 'error').mockImplementation(() => {})
    let failures = 0
    for (let failing = 0; ; failing++) {
      const disk = new CrashingDisk(drawsFrom(failing))
      let [ops, failed] = [Number.NEGATIVE_INFINITY, false]
      const { checkpoints, next } = newJob(
        through(disk, async (act) => {
          if (ops++ !== failing) return act()
          failed = true
          if (when === 'after') await act()
          throw Object.assign(new Error('the disk says EIO'), { code: 'EIO' })
        }),
      )
      expect((await next()).report).toBeDefined()
      ops = 0
      let [done, refused] = [1, 0]
      for (let step = 2; step <= CHECKPOINTS; step++) {
        const { report } = await next()
        const found = await loadedStep(disk)
        expect([done, step]).toContain(found)
        if (report !== undefined) expect(found).toBe(step)
        done = found
        if (report === undefined) refused += 1
      }
      // The one after it succeeds.
      expect(refused).toBeLessThanOrEqual(1)
      checkpoints.over(new Error('done') as never)
      disk.reboot()
      expect(await loadedStep(disk)).toBeGreaterThan(0)
      if (!failed) break
      failures += 1
    }
    expect(failures).toBeGreaterThan(20)
  },
)

test('one that is published after all were told that it is late is told to nobody in particular', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  let hangs = false
  let goOn = (): void => {}
  const { checkpoints, told, next } = newJob({
    ...through(disk, (act) => act()),
    async rename(from, to) {
      if (hangs)
        await new Promise<void>((resolve) => {
          goOn = resolve
        })
      await disk.rename(from, to)
    },
  })
  await next()
  hangs = true
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const late = next()
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve))
  await vi.advanceTimersByTimeAsync(LIMITS.checkpointTimeoutMs)
  vi.useRealTimers()
  expect(await late).toMatchObject({ error: { kind: 'checkpoint-failed' } })
  goOn()
  await vi.waitFor(() =>
    expect(told.at(-1)).toEqual({ type: 'checkpointed', report: expect.objectContaining({ step: 2 }) }),
  )
  expect(await loadedStep(disk)).toBe(2)
  checkpoints.over(new Error('done') as never)
})
