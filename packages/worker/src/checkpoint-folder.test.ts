/**
 * Goal: whenever a machine crashes, its disk holds the checkpoint before or the new one, whole. Method: a disk that loses whatever a real one
 * may, crashed at each operation in turn and at random ones one after the other; what is loaded afterwards is compared with what the
 * job's memory was. And the disk of this machine, for what it is asked in between.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GodwitError, PAGE_BYTES } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CheckpointFolder } from './checkpoint-folder.ts'
import { loadCheckpoint } from './checkpoint-reader.ts'
import { nodeFiles, writeError } from './files.ts'
import { drawsFrom, expected, imageAt, manifestAt, PAGES, writeAt } from './support/checkpointed-job.ts'
import { Crash, CrashingDisk } from './support/crashing-disk.ts'

const FOLDER = '/host/checkpoint'
const CHECKPOINTS_A_LIFE = 5

const untouched = (): Buffer => Buffer.alloc(PAGES * PAGE_BYTES, 99)

/** What is loaded, which must be whole: the step, or undefined when there is no checkpoint. */
async function loadedStep(disk: CrashingDisk): Promise<number | undefined> {
  const paged = untouched()
  try {
    const manifest = await loadCheckpoint(new CheckpointFolder(FOLDER, disk), expected, paged)
    expect(manifest).toEqual(manifestAt(manifest.step, manifest.segments))
    expect(paged.equals(imageAt(manifest.step))).toBe(true)
    return manifest.step
  } catch (error) {
    expect(error).toMatchObject({ kind: 'checkpoint-unusable' })
    expect(paged.equals(untouched())).toBe(true)
    return undefined
  }
}

/** Lives of a machine, each of which ends after so many operations: after each the last checkpoint is there, or the one that was being written. */
async function live(lives: readonly number[], seed: number): Promise<number> {
  const disk = new CrashingDisk(drawsFrom(seed))
  let [done, crashes] = [undefined as number | undefined, 0]
  for (const ops of lives) {
    const folder = new CheckpointFolder(FOLDER, disk)
    disk.opsUntilCrash = ops
    let before: Parameters<typeof writeAt>[2]
    let step = (done ?? 0) + 1
    try {
      for (let count = 0; count < CHECKPOINTS_A_LIFE; count++, step++) {
        const written = step
        // The fourth begins a new chain.
        const onto = count === 3 ? undefined : before
        const segments = await writeAt(folder, written, onto, () => {
          done = written
        })
        before = { step: written, segments }
      }
    } catch (error) {
      if (!(error instanceof Crash)) throw error
      crashes += 1
    }
    disk.reboot()
    const found = await loadedStep(disk)
    expect([done, step]).toContain(found)
    done = found
  }
  return crashes
}

test('crashed at any operation, the disk holds the checkpoint before or the new one', async () => {
  for (let ops = 0; ; ops++) {
    let crashes = 0
    for (let seed = 0; seed < 20; seed++) crashes += await live([ops], seed)
    if (crashes === 0) break
    expect(ops).toBeLessThan(200)
  }
})

test('and so it does crash after crash', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 6 }),
      fc.nat(),
      async (lives, seed) => {
        await live(lives, seed)
      },
    ),
    { numRuns: 300 },
  )
})

test('what is not named any more goes, what is stays', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  const folder = new CheckpointFolder(FOLDER, disk)
  await disk.makeFolder(FOLDER)
  disk.replace(join(FOLDER, 'notes.txt'), Buffer.from('not ours'))
  const one = await writeAt(folder, 1)
  const two = await writeAt(folder, 2, { step: 1, segments: one })
  expect((await disk.list(FOLDER)).sort()).toEqual([
    'checkpoint.bin',
    'notes.txt',
    'pages-1-1.bin',
    'pages-1-2.bin',
  ])
  // One that is given up leaves nothing.
  const segment = await folder.newSegment(1)
  await segment.write(Buffer.alloc(10))
  await segment.close()
  await folder.discard(segment)
  await writeAt(folder, 3)
  expect((await disk.list(FOLDER)).sort()).toEqual(['checkpoint.bin', 'notes.txt', 'pages-1-3.bin'])
  expect(two).toHaveLength(2)
})

test('a worker whose job has gone on does not replace what a later epoch wrote', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  const folder = new CheckpointFolder(FOLDER, disk)
  const segments = await writeAt(folder, 1)
  await folder.publish(manifestAt(1, segments, 2))
  await expect(folder.publish(manifestAt(1, segments, 1))).rejects.toMatchObject({
    kind: 'checkpoint-failed',
  })
  expect((await folder.manifest()).epoch).toBe(2)
})

test('two workers in one folder leave each other what they write', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  const [old, later] = [new CheckpointFolder(FOLDER, disk), new CheckpointFolder(FOLDER, disk)]
  const one = await writeAt(later, 1, undefined, undefined, 2)
  const unfinished = await later.newSegment(2, one)
  await expect(old.newSegment(1)).rejects.toMatchObject({ kind: 'checkpoint-failed' })
  await old.clean(manifestAt(9, [], 1))
  expect((await disk.list(FOLDER)).sort()).toEqual(['checkpoint.bin', 'pages-2-1.bin', unfinished.file])
  expect(unfinished.file).toBe('pages-2-2.bin')
})

test('one whose files a later epoch has removed meanwhile is not published', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  const folder = new CheckpointFolder(FOLDER, disk)
  await writeAt(folder, 1)
  const segment = await (await folder.newSegment(1)).finish()
  await (await folder.newSegment(2)).finish()
  await expect(folder.publish(manifestAt(2, [segment]))).rejects.toThrow('was removed meanwhile')
  expect(await loadedStep(disk)).toBe(1)
})

test('what a later release wrote is not replaced', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  const folder = new CheckpointFolder(FOLDER, disk)
  const segments = await writeAt(folder, 1)
  const path = join(FOLDER, 'checkpoint.bin')
  const bytes = Buffer.from(disk.content(path) as Buffer)
  bytes.writeUInt32LE(2, 4)
  disk.replace(path, bytes)
  const refused = { kind: 'checkpoint-failed', message: expect.stringContaining('later release') }
  await expect(folder.newSegment(9)).rejects.toMatchObject(refused)
  await expect(folder.publish(manifestAt(2, segments, 9))).rejects.toMatchObject(refused)
  expect(disk.content(join(FOLDER, 'pages-1-1.bin'))).toBeDefined()
})

const flaws: [string, (disk: CrashingDisk, path: string, at: number) => void][] = [
  [
    'a bit is another',
    (disk, path, at) => {
      const bytes = Buffer.from(disk.content(path) as Buffer)
      const byte = at % bytes.length
      bytes[byte] = (bytes[byte] as number) ^ (1 << (at % 8))
      disk.replace(path, bytes)
    },
  ],
  [
    'the end is missing',
    (disk, path, at) => {
      const bytes = disk.content(path) as Buffer
      disk.replace(path, bytes.subarray(0, at % bytes.length))
    },
  ],
  [
    'something was added',
    (disk, path, at) => {
      const bytes = disk.content(path) as Buffer
      disk.replace(path, Buffer.concat([bytes, Buffer.alloc(1 + (at % 100), at)]))
    },
  ],
]
for (const [flaw, spoil] of flaws) {
  test(`a file in which ${flaw} makes a checkpoint that can't be used, and memory stays as it was`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('checkpoint.bin', 'pages-1-1.bin', 'pages-1-2.bin'),
        // Heads and ends are small beside pages: they are aimed at.
        fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 5 * (PAGE_BYTES + 44) })),
        async (file, at) => {
          const disk = new CrashingDisk(drawsFrom(1))
          const folder = new CheckpointFolder(FOLDER, disk)
          const segments = await writeAt(folder, 2)
          await writeAt(folder, 3, { step: 2, segments })
          expect(await loadedStep(disk)).toBe(3)
          spoil(disk, join(FOLDER, file), at)
          expect(await loadedStep(disk)).toBeUndefined()
        },
      ),
      { numRuns: 200 },
    )
  })
}

test('a segment that is missing, and a checkpoint of another job, are no checkpoint', async () => {
  const disk = new CrashingDisk(drawsFrom(1))
  const folder = new CheckpointFolder(FOLDER, disk)
  await expect(folder.manifest()).rejects.toThrow('there is none')
  const segments = await writeAt(folder, 4)
  const load = (change: Partial<typeof expected>): Promise<unknown> =>
    loadCheckpoint(folder, { ...expected, ...change }, untouched())
  await expect(load({ workload: 'another' })).rejects.toThrow("workload job's, not another's")
  await expect(load({ steps: 3 })).rejects.toThrow('of step 4 and the job has 3')
  await expect(load({ identity: { ...expected.identity, programDigest: '1'.repeat(64) } })).rejects.toThrow(
    'another version of program',
  )
  await expect(load({ pageCount: PAGES + 1 })).rejects.toThrow('1 of 6 pages are not in it')
  await expect(load({ pageCount: PAGES - 1 })).rejects.toMatchObject({ kind: 'checkpoint-unusable' })
  const manifest = manifestAt(4, segments)
  await folder.publish({ ...manifest, spool: manifest.spool.map((output) => ({ ...output, step: 1 })) })
  await expect(load({})).rejects.toThrow('not those before its step')
  await folder.publish(manifest)
  await disk.remove(join(FOLDER, 'pages-1-1.bin'))
  await expect(load({})).rejects.toThrow('pages-1-1.bin is missing')
})

test('on a real disk', async () => {
  const host = mkdtempSync(join(tmpdir(), 'godwit-checkpoint-'))
  try {
    const path = join(host, 'jobs', 'one')
    const folder = new CheckpointFolder(path, nodeFiles)
    await expect(folder.manifest()).rejects.toMatchObject({ kind: 'checkpoint-unusable' })
    const segments = await writeAt(folder, 1)
    await writeAt(folder, 2, { step: 1, segments })
    expect(readdirSync(path).sort()).toEqual(['checkpoint.bin', 'pages-1-1.bin', 'pages-1-2.bin'])
    expect(statSync(path).mode & 0o777).toBe(0o700)
    expect(statSync(join(path, 'checkpoint.bin')).mode & 0o777).toBe(0o600)
    const paged = untouched()
    expect((await loadCheckpoint(folder, expected, paged)).step).toBe(2)
    expect(paged.equals(imageAt(2))).toBe(true)
  } finally {
    rmSync(host, { recursive: true })
  }
})

test('what a disk says becomes an error that says what to do', () => {
  const full = writeError(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
  expect(full).toMatchObject({ kind: 'disk-full', message: expect.stringContaining('free as many bytes') })
  expect(writeError(new Error('read-only'))).toMatchObject({ kind: 'checkpoint-failed' })
  const ours = new GodwitError('out-of-memory', 'too much')
  expect(writeError(ours)).toBe(ours)
})
