/**
 * Goal: a process dies at the point it was armed for, at that time of passing it, in that role, and once.
 * Method: real processes that pass points one after the other.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { armCrashPoints } from './crash-point.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-crash-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** Passes `before-park` and `after-park` three times each. */
function pass(env: Record<string, string>): { said: string; signal: NodeJS.Signals | null } {
  const script = `
    import { armCrashPoints, crashPoint } from ${JSON.stringify(new URL('./crash-point.ts', import.meta.url).href)}
    armCrashPoints('worker')
    for (let time = 1; time <= 3; time++) {
      crashPoint('before-park')
      process.stdout.write(String(time))
      crashPoint('after-park')
    }`
  const { stdout, signal } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', script],
    { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8', cwd: import.meta.dirname },
  )
  return { said: stdout, signal }
}

test('dies where and when it was told to, and nowhere else', () => {
  expect(pass({})).toEqual({ said: '123', signal: null })
  expect(pass({ GODWIT_CRASH_POINTS: 'worker/before-park' })).toEqual({ said: '', signal: 'SIGKILL' })
  expect(pass({ GODWIT_CRASH_POINTS: 'worker/after-park#2' })).toEqual({ said: '12', signal: 'SIGKILL' })
  expect(pass({ GODWIT_CRASH_POINTS: 'agent/after-park' })).toEqual({ said: '123', signal: null })
})

test('of all who share a file only the first dies', () => {
  const env = { GODWIT_CRASH_POINTS: 'worker/before-park', GODWIT_CRASH_ONCE: join(folder, 'once') }
  expect(pass(env).signal).toBe('SIGKILL')
  expect(existsSync(`${env.GODWIT_CRASH_ONCE}.0`)).toBe(true)
  expect(pass(env)).toEqual({ said: '123', signal: null })
})

test('tells which points were reached', () => {
  const file = join(folder, 'trace')
  pass({ GODWIT_CRASH_TRACE: file })
  expect(readFileSync(file, 'utf8')).toBe('worker/before-park\nworker/after-park\n')
})

test('several points: each once', () => {
  const env = {
    GODWIT_CRASH_POINTS: 'agent/before-park,worker/after-park,worker/before-park#2',
    GODWIT_CRASH_ONCE: join(folder, 'once'),
  }
  expect(pass(env)).toEqual({ said: '1', signal: 'SIGKILL' })
  expect(pass(env)).toEqual({ said: '1', signal: 'SIGKILL' })
  expect(pass(env)).toEqual({ said: '123', signal: null })
  expect(existsSync(join(folder, 'once.0')), 'another role').toBe(false)
})

test('a point that is written wrongly is refused', () => {
  expect(() => armCrashPoints('agent', { GODWIT_CRASH_POINTS: 'before-park' })).toThrow('<role>/<point>')
  expect(() => armCrashPoints('agent', { GODWIT_CRASH_POINTS: 'agent/x=SIGTERM' })).toThrow('SIGTERM')
  armCrashPoints('agent', {})
})
