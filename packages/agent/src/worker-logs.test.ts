/**
 * Goal: what a worker's file holds is passed on once it is answered, in lines, whoever was away meanwhile; a file never grows without end.
 * Method: a real file, and answers that are given or not.
 */
import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FromAgent, LIMITS, type LogPlace } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WorkerLogs } from './worker-logs.ts'

type Printed = Extract<FromAgent, { type: 'log' }>

let folder: string
let file: string
let said: Printed[]
let logs: WorkerLogs
beforeEach(() => {
  vi.useFakeTimers()
  folder = mkdtempSync(join(tmpdir(), 'gwl-'))
  file = join(folder, 'output.log')
  said = []
  logs = attending()
})
afterEach(() => {
  vi.useRealTimers()
  rmSync(folder, { recursive: true })
})

function attending(): WorkerLogs {
  const made = new WorkerLogs((message) => said.push(message))
  made.attend({ workerId: 'w', workloadId: 'job' }, file)
  return made
}

function latest(): { text: string; place: LogPlace; isLast: boolean } | undefined {
  const message = said.at(-1)
  return message && { text: message.bytes.toString(), place: message.place, isLast: message.isLast }
}

function answer(): void {
  const { place, bytes } = said.at(-1) as Printed
  logs.kept('w', { ...place, at: place.at + bytes.length })
}

test('whole lines are said, one piece at a time, and again until they are answered', () => {
  logs.look()
  expect(said).toEqual([])
  writeFileSync(file, 'one\ntwo\nhal')
  vi.advanceTimersByTime(LIMITS.logEveryMs)
  expect(latest()).toEqual({ text: 'one\ntwo\n', place: { generation: 0, at: 0 }, isLast: false })
  appendFileSync(file, 'f\n')
  vi.advanceTimersByTime(LIMITS.logEveryMs)
  expect(said).toHaveLength(1)
  vi.advanceTimersByTime(LIMITS.repeatMs)
  expect(said).toHaveLength(2)
  expect(latest()?.place).toEqual({ generation: 0, at: 0 })
  answer()
  vi.advanceTimersByTime(LIMITS.logEveryMs)
  expect(said).toHaveLength(2)
  appendFileSync(file, 'more\n')
  logs.look()
  expect(latest()?.text).toBe('more\n')
})

test('an agent that took the worker over is put right by the answer', () => {
  writeFileSync(file, 'one\ntwo\n')
  logs.look()
  logs.kept('w', { generation: 0, at: 4 })
  expect(latest()).toMatchObject({ text: 'two\n', place: { generation: 0, at: 4 } })
  const next = attending()
  next.look()
  // The file has been begun anew since.
  next.kept('w', { generation: 3, at: 4000 })
  expect(latest()).toMatchObject({ text: 'one\ntwo\n', place: { generation: 4, at: 0 } })
})

test('a file that has grown too long is begun anew, and says what was cut', () => {
  writeFileSync(file, `${'x'.repeat(99)}\n`.repeat(LIMITS.maxLogFileBytes / 100 + 1))
  logs.look()
  const { bytes } = said.at(-1) as Printed
  expect(bytes.length).toBeLessThanOrEqual(LIMITS.maxLogChunkBytes)
  expect(statSync(file).size).toBeLessThan(100)
  answer()
  logs.look()
  expect(latest()).toMatchObject({
    place: { generation: 1, at: 0 },
    text: expect.stringMatching(/^\[godwit: \d+ bytes that nobody has fetched were cut here\]\n$/),
  })
})

test('the end of a file is said once, half a line of it too, and no more than a piece', () => {
  writeFileSync(file, 'one\nhalf')
  logs.ended('w')
  expect(latest()).toEqual({ text: 'one\nhalf', place: { generation: 0, at: 0 }, isLast: true })
  logs = attending()
  writeFileSync(file, 'x'.repeat(3 * LIMITS.maxLogChunkBytes))
  logs.ended('w')
  expect(latest()?.place.at).toBe(2 * LIMITS.maxLogChunkBytes)
  logs.ended('w')
  expect(said).toHaveLength(2)
  expect(vi.getTimerCount()).toBe(0)
})

test('a line that is longer than a piece is passed on in pieces', () => {
  writeFileSync(file, `${'x'.repeat(LIMITS.maxLogChunkBytes + 10)}\n`)
  logs.look()
  expect(latest()?.text).toHaveLength(LIMITS.maxLogChunkBytes)
  answer()
  expect(latest()?.text).toBe(`${'x'.repeat(10)}\n`)
})
