/** Goal: the log says who did what to which job, and no secret and no parameter. Method: requests with something in every field. */
import { auditEntry, type ClientRequest, clientRequest, GodwitError, LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { auditOf, intentOf, isChange, whoOf } from './audited.ts'
import { Refusals } from './refusals.ts'

const asker = { who: 't1', role: 'admin', address: '10.0.0.1' } as const
const common = { atMs: 5, ...asker }
const request = (asked: object): ClientRequest => clientRequest.parse(asked)

test('who, what, which job, where, and what came of it', () => {
  const options = { downtimeLimitMs: 300 }
  const migrate = request({ op: 'migrate', workload: 'job', to: 'b', options })
  expect(auditOf(migrate, asker, { migration: { id: 'm-1' } }, 5)).toEqual({
    ...common,
    action: 'migrate',
    workload: 'job',
    host: 'b',
    subject: 'm-1',
    outcome: 'ok',
  })
  expect(auditOf(migrate, asker, new GodwitError('already-there', 'x'), 5)).toEqual({
    ...common,
    action: 'migrate',
    workload: 'job',
    host: 'b',
    outcome: 'already-there',
  })
  expect(intentOf(migrate, asker, 5)).toEqual({
    ...common,
    action: 'migrate',
    workload: 'job',
    host: 'b',
    outcome: 'asked',
  })
  const run = request({
    op: 'run',
    program: '/p',
    parameters: { key: 'PARAMETER' },
    steps: 1,
    tracker: 'auto',
  })
  const view = { id: 'p-abcd', host: 'a', parameters: { key: 'PARAMETER' } }
  const line = auditOf(run, asker, { workload: view }, 5)
  expect(line).toEqual({ ...common, action: 'run', workload: 'p-abcd', host: 'a', outcome: 'ok' })
  expect(auditOf(run, asker, new Error('a bug'), 5).outcome).toBe('internal')
})

test('of a token its id alone', () => {
  const create = request({ op: 'createToken', kind: 'join' })
  const made = { token: 'gwj1.SECRET', view: { id: 't2', kind: 'join' } }
  expect(auditOf(create, asker, made, 5)).toEqual({
    ...common,
    action: 'createToken',
    subject: 't2',
    outcome: 'ok',
  })
  const revoke = request({ op: 'revokeToken', token: 't2' })
  expect(auditOf(revoke, asker, { token: { id: 't2' } }, 5)).toMatchObject({
    action: 'revokeToken',
    subject: 't2',
  })
})

test('the longest name of a host still makes an entry', () => {
  const longest = 'h'.repeat(LIMITS.maxNameLength)
  const entry = { ...common, who: whoOf(longest), action: 'register', host: longest, outcome: 'ok' }
  expect(auditEntry.parse(entry)).toEqual(entry)
})

test('what only looks is no change', () => {
  expect(isChange(request({ op: 'hosts' }))).toBe(false)
  expect(isChange(request({ op: 'follow', workload: 'job' }))).toBe(false)
  expect(isChange(request({ op: 'audit' }))).toBe(false)
  expect(isChange(request({ op: 'stop', workload: 'job' }))).toBe(true)
  expect(isChange(request({ op: 'removeHost', host: 'a' }))).toBe(true)
})

test('refusals beyond so many a second are counted, not written', () => {
  const refusals = new Refusals('members')
  const entry = { ...common, action: 'connect', outcome: 'unauthorized' }
  const most = LIMITS.maxNotedPerSecond
  const passed = Array.from({ length: 3 * most }, () => refusals.take(entry, 0)).flat()
  expect(passed).toHaveLength(most)
  const [withheld, next] = refusals.take(entry, 1000)
  expect(withheld).toMatchObject({
    action: 'withheld',
    subject: expect.stringContaining(`${2 * most} entries of members`),
  })
  expect(next).toEqual(entry)
  expect(refusals.take(entry, 1000)).toEqual([entry])
})

test('past so many bytes a day only a line an hour is written, which counts', () => {
  const HOUR_MS = 3_600_000
  const maxBytes = 10_000
  const refusals = new Refusals('strangers', maxBytes)
  const entry = { ...common, action: 'connect', outcome: 'unauthorized' }
  const bytesOf = (entries: object[]): number =>
    entries.reduce((sum, each) => sum + JSON.stringify({ ...each, previous: '0'.repeat(64) }).length + 1, 0)
  // One a second for a day.
  const written: { action: string; subject?: string | undefined }[] = []
  for (let second = 0; second < 24 * 3600; second++) written.push(...refusals.take(entry, second * 1000))
  const counts = written.filter(({ action }) => action === 'withheld')
  const whole = written.length - counts.length
  expect(counts).toHaveLength(23)
  expect(written.slice(0, whole).every(({ action }) => action === 'connect')).toBe(true)
  expect(bytesOf(written.slice(0, whole))).toBeLessThan(maxBytes + 1000)
  for (const { subject } of counts) expect(subject).toMatch(/^3600 entries of strangers/)
  // The next day they are written again.
  expect(refusals.take(entry, 24 * HOUR_MS).map(({ action }) => action)).toEqual(['withheld', 'connect'])
})
