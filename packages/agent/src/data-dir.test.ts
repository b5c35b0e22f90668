/**
 * Goal: a disk that can't be written is said when the agent starts and when a worker does, and folders do not pile
 * up. Method: real folders; for the full disk a tmpfs of a few pages, which needs root.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { WorkerLaunch } from '@godwit/protocol'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DataDir, defaultDataDir, KEPT_FOLDERS, logTail } from './data-dir.ts'
import { diskError } from './disk.ts'
import { launchOf, temporaryFolder } from './support/host.ts'
import { findWorker } from './worker-handle.ts'

let folder: string
beforeEach(() => {
  folder = realpathSync(temporaryFolder())
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function launch(workerId: string): WorkerLaunch {
  return {
    ...launchOf(workerId),
    programFile: '/p.ts',
    checkpointFolder: '/checkpoints/job',
    orphanTimeoutMs: 1,
    listenHost: '127.0.0.1',
    portRange: [0, 0],
    memoryLimitBytes: 1,
    outputBatchMs: 0,
  }
}

/** Undefined when a tmpfs of `bytes` is mounted at `path`, else why not. */
function mountSmall(path: string, bytes: number): string | undefined {
  mkdirSync(path)
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', path], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    return (error as Error).message.trim()
  }
}

describe('a full disk', () => {
  test('is named at the start and at a launch', ({ skip }) => {
    const small = join(folder, 'small')
    const missing = mountSmall(small, 64 * 1024)
    if (missing !== undefined) {
      if (process.env.CI === 'true') throw new Error(`a tmpfs can't be mounted: ${missing}`)
      skip(`a tmpfs can't be mounted: ${missing}`)
    }
    try {
      const dataDir = new DataDir(small)
      // Not all of it: the folder of a worker still finds a place, its launch.json does not.
      const filler = join(small, 'filler')
      expect(() => writeFileSync(filler, Buffer.alloc(2 ** 20))).toThrow(/ENOSPC/)
      const full = expect.objectContaining({ kind: 'disk-full', message: expect.stringContaining(small) })
      expect(() => dataDir.create(launch('w1'))).toThrow(full)
      expect(existsSync(join(small, 'w1'))).toBe(false)
      expect(() => new DataDir(small)).toThrow(full)
    } finally {
      execFileSync('umount', [small])
    }
  })
})

test('what is no folder, and what no socket could be in, is refused', () => {
  writeFileSync(join(folder, 'file'), '')
  for (const path of [
    join(folder, 'file'),
    join(folder, 'file/below'),
    join(folder, 'a b'),
    join(folder, 'a:b'),
  ]) {
    expect(() => new DataDir(path), path).toThrow(
      expect.objectContaining({ kind: 'bad-arguments', message: expect.stringContaining('--data-dir') }),
    )
  }
})

test('the folders of the last failures stay, also over a restart of the agent', () => {
  const names = Array.from({ length: KEPT_FOLDERS + 3 }, (_, index) => `w${index}`)
  const before = new DataDir(folder)
  for (const name of names.slice(0, 5)) before.release(before.create(launch(name)), true)
  const dataDir = new DataDir(folder)
  for (const name of names.slice(5)) dataDir.release(dataDir.create(launch(name)), true)
  dataDir.release(dataDir.create(launch('well')), false)
  expect(readdirSync(folder)).toHaveLength(KEPT_FOLDERS)
  expect(readdirSync(folder)).toContain(names.at(-1))
})

test('a folder in use again is not removed as an old one', () => {
  const dataDir = new DataDir(folder)
  dataDir.release(dataDir.create(launch('again')), true)
  const inUse = dataDir.create(launch('again'))
  for (let index = 0; index <= KEPT_FOLDERS; index++) {
    dataDir.release(dataDir.create(launch(`w${index}`)), true)
  }
  expect(existsSync(inUse.path)).toBe(true)
})

test('the default folder is made, found again, and refused when it is something else', () => {
  const path = defaultDataDir(folder, 'alpha')
  expect(defaultDataDir(folder, 'alpha')).toBe(path)
  writeFileSync(join(folder, 'godwit-beta'), '')
  expect(() => defaultDataDir(folder, 'beta')).toThrow(expect.objectContaining({ kind: 'bad-arguments' }))
})

test('the tail of a log is bounded and plain', () => {
  const log = join(folder, 'output.log')
  expect(logTail(log)).toBe('')
  writeFileSync(
    log,
    `${'x'.repeat(100_000)}\n${Array.from({ length: 100 }, (_, n) => `line ${n}`).join('\n')}\n`,
  )
  expect(logTail(log).split('\n')).toHaveLength(20)
  expect(logTail(log).endsWith('line 99')).toBe(true)
  writeFileSync(log, `\u001b[31mred\u001b[0m ${'y'.repeat(50_000)}`)
  expect(logTail(log).length).toBeLessThanOrEqual(2000)
})

test('no control character of a program reaches the terminal of whoever reads its log, whole sequence or part of one', () => {
  const log = join(folder, 'log')
  writeFileSync(log, 'a\u001b[31mred\u001b[0m\n\u001b\u009b\u0007\r\u001b[\tb\u007f\n')
  expect(logTail(log)).toBe('ared\n[\tb')
})

test('what an agent cannot look into does not keep it from starting', () => {
  const path = join(folder, 'with-a-loop')
  mkdirSync(join(path, 'w1'), { recursive: true })
  symlinkSync('launch.json', join(path, 'w1', 'launch.json'))
  expect(new DataDir(path).left()).toEqual([])
})

test('errors of the disk say what to do', () => {
  const kindOf = (code: string) => diskError(Object.assign(new Error(code), { code }), '/d').kind
  expect(['ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'ENOTDIR', 'EIO'].map(kindOf)).toEqual([
    ...['disk-full', 'disk-full', 'bad-arguments', 'bad-arguments', 'bad-arguments', 'internal'],
  ])
})

test('a worker is found again however the folder is spelled', async () => {
  const [real, link] = [join(folder, 'real'), join(folder, 'link')]
  mkdirSync(real)
  symlinkSync(real, link)
  const main = join(folder, 'worker.mjs')
  writeFileSync(main, 'setInterval(() => {}, 1000)')
  const first = new DataDir(link).create(launch('w1'))
  const args = ['--import', 'data:text/javascript,', main, first.path]
  const worker = spawn(process.execPath, args, { stdio: 'ignore' })
  try {
    writeFileSync(join(first.path, 'pid'), String(worker.pid))
    for (const spelling of [real, link, join(link, '..', 'link')]) {
      const [left] = new DataDir(spelling).left()
      expect(left && findWorker(left.folder)?.pid).toBe(worker.pid)
    }
  } finally {
    worker.kill('SIGKILL')
  }
  // One that a socket's address can't name is refused by what it is called in truth.
  mkdirSync(join(folder, 'with space'))
  symlinkSync(join(folder, 'with space'), join(folder, 'without'))
  expect(() => new DataDir(join(folder, 'without'))).toThrow('with space')
})
