/**
 * Goal: a folder has one agent, and one that was killed holds nothing. Method: locks of this process and of a real one
 * that is stopped and killed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LOCK_NAME } from './data-dir.ts'
import { lockFolder } from './folder-lock.ts'
import { temporaryFolder } from './support/host.ts'

let folder: string
beforeEach(() => {
  folder = temporaryFolder()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const inUse = { kind: 'folder-in-use', message: expect.stringMatching(/another agent.*--data-dir/) }

test('one at a time, and nothing is left of it', async () => {
  const lock = await lockFolder(folder)
  await expect(lockFolder(folder)).rejects.toMatchObject(inUse)
  await lock.release()
  expect(readdirSync(folder)).toEqual([])
  await (await lockFolder(folder)).release()
})

test('a holder that is stopped holds on, one that was killed does not', async () => {
  const hold = `require('node:net').createServer().listen(${JSON.stringify(join(folder, LOCK_NAME))}, () => console.log('held'))`
  const holder = spawn(process.execPath, ['-e', hold])
  await once(holder.stdout, 'data')
  holder.kill('SIGSTOP')
  await expect(lockFolder(folder)).rejects.toMatchObject(inUse)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  expect(readdirSync(folder), 'its name stays').toEqual([LOCK_NAME])
  await (await lockFolder(folder)).release()
})

test('of many that find a dead name one gets the folder', async () => {
  const dead = spawn(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(join(folder, LOCK_NAME))}, () => process.kill(process.pid, 'SIGKILL'))`,
  ])
  await once(dead, 'exit')
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)))
  const locks = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  expect(locks).toHaveLength(1)
  expect(readdirSync(folder)).toEqual([LOCK_NAME])
  await locks[0]?.release()
})

test('a folder too long for a socket is told', async () => {
  await expect(lockFolder(join(folder, 'x'.repeat(110)))).rejects.toMatchObject({ kind: 'bad-arguments' })
})
