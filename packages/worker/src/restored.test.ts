/**
 * Goal: a restored worker says what it loaded, and begins anew only where there is nothing to load. Method: folders on this machine's disk,
 * some of which can't be read, and a job of a few pages.
 */
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PAGE_BYTES } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CheckpointFolder } from './checkpoint-folder.ts'
import type { Job } from './job.ts'
import { Restored } from './restored.ts'
import { expected, identity, PAGES, writeAt } from './support/checkpointed-job.ts'

let checkpointFolder: string
beforeEach(() => {
  checkpointFolder = mkdtempSync(join(tmpdir(), 'godwit-restored-'))
})
afterEach(() => rmSync(checkpointFolder, { recursive: true }))

function load(): Promise<unknown> {
  const job = {
    launch: { workloadId: expected.workload, steps: expected.steps, checkpointFolder },
    identity,
    dirtyPages: { pageCount: PAGES },
    paged: Buffer.alloc(PAGES * PAGE_BYTES),
  }
  return new Restored(() => {}).load(job as unknown as Job)
}

test('what was loaded is said with the epoch that wrote it', async () => {
  await writeAt(new CheckpointFolder(checkpointFolder), 3)
  expect(await load()).toEqual({ step: 3, epoch: 1 })
})

test('without a checkpoint the job begins anew', async () => {
  expect(await load()).toMatchObject({
    step: 0,
    error: { message: expect.stringContaining('there is none') },
  })
})

test.each(['pages-1-1.bin', 'checkpoint.bin'])(
  '%s that the disk does not give is not taken for none',
  async (file) => {
    await writeAt(new CheckpointFolder(checkpointFolder), 3)
    rmSync(join(checkpointFolder, file))
    symlinkSync(file, join(checkpointFolder, file))
    await expect(load()).rejects.toMatchObject({
      kind: 'internal',
      message: expect.stringContaining('ELOOP'),
    })
  },
)
