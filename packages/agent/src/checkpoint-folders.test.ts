/** Goal: a checkpoint goes when it was said and is nobody's, and nothing else ever does. Method: real folders. */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CHECKPOINTS_NAME, CheckpointFolders } from './checkpoint-folders.ts'
import { temporaryFolder } from './support/host.ts'

let dataDir: string
let checkpoints: CheckpointFolders
beforeEach(() => {
  dataDir = temporaryFolder()
  checkpoints = new CheckpointFolders(dataDir)
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

/** What a worker does. */
function write(workloadId: string): string {
  const folder = checkpoints.prepare(workloadId)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'pages'), 'bytes')
  return folder
}

test('they are listed and deleted', () => {
  expect(checkpoints.list()).toEqual([])
  const folder = write('job')
  write('other.job')
  expect(folder).toBe(join(dataDir, CHECKPOINTS_NAME, 'job'))
  expect(checkpoints.list().sort()).toEqual(['job', 'other.job'])
  checkpoints.delete('job', false)
  checkpoints.delete('never-there', false)
  expect(checkpoints.list()).toEqual(['other.job'])
})

test('one in use goes with its worker', () => {
  const folder = write('job')
  checkpoints.delete('job', true)
  checkpoints.left('other')
  expect(existsSync(folder)).toBe(true)
  checkpoints.left('job')
  expect(existsSync(folder)).toBe(false)
})

test('what was written, or begun, after the order stays', () => {
  const folder = write('job')
  checkpoints.delete('job', true)
  checkpoints.written('job')
  checkpoints.left('job')
  expect(existsSync(folder)).toBe(true)
  checkpoints.delete('job', true)
  checkpoints.prepare('job')
  checkpoints.left('job')
  expect(existsSync(folder)).toBe(true)
})

test('nothing outside is touched, by no name and no link', () => {
  const outside = join(dataDir, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'file'), '')
  checkpoints.prepare('job')
  for (const name of ['..', '.', '', '../outside', '/etc', 'a/b']) {
    expect(() => checkpoints.delete(name, false), name).toThrow(
      expect.objectContaining({ kind: 'bad-arguments' }),
    )
  }
  symlinkSync(outside, join(dataDir, CHECKPOINTS_NAME, 'linked'))
  expect(checkpoints.list()).toEqual([])
  checkpoints.delete('linked', false)
  expect(existsSync(join(outside, 'file'))).toBe(true)
})
