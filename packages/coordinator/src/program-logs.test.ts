/**
 * Goal: each line that a program printed is kept once, whatever is said twice or cut in pieces anywhere, and old ones go. Method: a file's bytes, said
 * in pieces of any size, again and again, by agents that know how far they are and by such as don't; the same file read as a whole is the oracle.
 */
import { LIMITS } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MemoryStore } from './memory-store.ts'
import { type Printed, ProgramLogs } from './program-logs.ts'

function printed(text: string, place: Partial<Printed['place']> = {}, more: Partial<Printed> = {}): Printed {
  return {
    ...{ type: 'log', workerId: 'w', workloadId: 'job', isLast: false },
    ...{ place: { generation: 0, at: 0, ...place }, bytes: Buffer.from(text) },
    ...more,
  }
}

async function textsIn(logs: ProgramLogs): Promise<string[]> {
  const texts: string[] = []
  for (let next = 0; ; ) {
    const { lines, firstLine, nextLine } = await logs.read('job', next, 7)
    next = Math.max(next, firstLine)
    expect(lines.map(({ line }) => line)).toEqual(lines.map((_, index) => next + index))
    texts.push(...lines.map(({ text }) => text))
    next += lines.length
    if (next >= nextLine) return texts
  }
}

test('each line is kept once, however often it is said, and whoever goes on', async () => {
  const lines = fc.array(fc.string({ unit: 'grapheme', maxLength: 30 }), { minLength: 1, maxLength: 20 })
  const says = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(lines, says, async (all, pieces) => {
      const texts = all.map((text) => text.replace(/[\r\n]/g, ' '))
      const file = Buffer.from(texts.map((text) => `${text}\n`).join(''))
      const ends = [...file].flatMap((byte, at) => (byte === 10 ? [at + 1] : []))
      const store = new MemoryStore()
      let known = 0
      for (const [back, forward] of pieces) {
        // Begins anywhere before what is known, at the end of a line as agents do.
        const from = [0, ...ends].filter((end) => end <= known).at(-1 - (back % 3)) ?? 0
        const to = ends.find((end) => end >= forward % file.length && end > from) ?? file.length
        const logs = new ProgramLogs(store, () => 1)
        const at = await logs.append('job', 'a', printed(file.toString('utf8', from, to), { at: from }))
        expect(at).toEqual({ generation: 0, at: Math.max(known, to) })
        known = at.at
      }
      const logs = new ProgramLogs(store, () => 1)
      await logs.append('job', 'a', printed(file.toString('utf8', known), { at: known }, { isLast: true }))
      expect(await textsIn(logs)).toEqual(texts)
    }),
    { numRuns: 60 },
  )
})

test('what was lost between two pieces is said', async () => {
  const logs = new ProgramLogs(new MemoryStore(), () => 1)
  await logs.append('job', 'a', printed('one\n'))
  await logs.append('job', 'a', printed('nine\nhalf', { at: 104 }, { isLast: true }))
  expect(await textsIn(logs)).toEqual([
    'one',
    '[godwit: 100 bytes of what was printed here were not kept]',
    'nine',
    'half',
  ])
})

test('a file that was begun anew goes on, and what is said of it as it was before is known', async () => {
  const logs = new ProgramLogs(new MemoryStore(), () => 1)
  await logs.append('job', 'a', printed('one\ntwo\n'))
  const anew = { generation: 1, at: 6 }
  expect(await logs.append('job', 'a', printed('three\n', { generation: 1 }))).toEqual(anew)
  expect(await logs.append('job', 'a', printed('one\ntwo\n'))).toEqual(anew)
  expect(await textsIn(logs)).toEqual(['one', 'two', 'three'])
})

test('workers of two hosts are kept apart, each line with its host', async () => {
  const logs = new ProgramLogs(new MemoryStore(), () => 7)
  await logs.append('job', 'a', printed('here\n'))
  await logs.append('job', 'b', printed('there\n', {}, { workerId: 'v' }))
  expect((await logs.read('job')).lines).toEqual([
    { line: 0, host: 'a', atMs: 7, text: 'here' },
    { line: 1, host: 'b', atMs: 7, text: 'there' },
  ])
})

test('the latest are kept, old ones go, and nothing is left of a job that is forgotten', async () => {
  const store = new MemoryStore()
  const logs = new ProgramLogs(store, () => 1)
  const text = `${'x'.repeat(1000)}\n`
  const pieces = Math.ceil((2 * LIMITS.maxLogLength) / (20 * text.length))
  for (let piece = 0; piece < pieces; piece++)
    await logs.append('job', 'a', printed(text.repeat(20), { at: piece * 20 * text.length }))
  const { lines, firstLine, nextLine } = await logs.read('job')
  expect([nextLine, lines[0]?.line]).toEqual([20 * pieces, firstLine])
  const kept = (nextLine - firstLine) * 1064
  expect(kept).toBeLessThanOrEqual(LIMITS.maxLogLength)
  expect(kept).toBeGreaterThan(LIMITS.maxLogLength - 2 * LIMITS.logPartLength)
  await logs.append('other', 'a', printed('stays\n'))
  await logs.forget('job')
  expect((await store.list('')).map(({ key }) => key)).toEqual([
    'log-lines/other/0000000000000000',
    'log/other',
  ])
})

test('lines that are too long are cut, and say so; bytes that are no text harm nothing', async () => {
  const logs = new ProgramLogs(new MemoryStore(), () => 1)
  const bytes = Buffer.concat([Buffer.from([0xff, 0xfe, 10]), Buffer.from(`${'y'.repeat(50_000)}\n`)])
  await logs.append('job', 'a', { ...printed(''), bytes })
  const [odd, long] = await textsIn(logs)
  expect(odd).toBe('\ufffd\ufffd')
  expect(long).toHaveLength(LIMITS.maxLogLineLength)
  expect(long).toMatch(/y \[godwit: 50000 characters, cut\]$/)
})
