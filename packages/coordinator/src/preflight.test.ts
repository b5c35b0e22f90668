/**
 * Goal: each thing that stands in the way of a move is said, whatever else does, and nothing passes that nobody looked at. Method: one fact
 * after the other is changed from a case in which all is well; then all of them at random, judged by what was changed.
 */
import {
  type ErrorKind,
  type EstimateView,
  migrationOptions,
  PREFLIGHT_CHECKS,
  type PreflightCheck,
  preflightCheck,
} from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Asked, differencesOf, type PreflightFacts, preflight } from './preflight.ts'

const MiB = 2 ** 20
const link = { bytesPerMs: 1000, roundTripMs: 0.2 }
const estimate: EstimateView = {
  ...{ workload: 'job', from: 'a', to: 'b', downtimeLimitMs: 300 },
  ...{
    converges: true,
    downtimeMs: 10,
    totalMs: 1000,
    rounds: 3,
    parkPoint: 'boundary',
    reason: 'few pages',
  },
  job: { arenaPages: 1, zeroPages: 0, stepPages: 1, watchedPages: 1, watchedSteps: 2, stepMs: 1, setupMs: 1 },
  link,
}
const IDENTITY_OF_JOB = identityLike({ dataDigests: { './corpus': 'b'.repeat(64) } })
const OTHER = 'f'.repeat(64)

const prepared = (changes: object = {}, more: object = {}) => ({
  type: 'prepared' as const,
  identity: { ...IDENTITY_OF_JOB, ...changes },
  ...more,
})
const host = (freeMemoryBytes = 1000 * MiB) => ({ node: 'v20.20.0', arch: 'x64', freeMemoryBytes })
const failed = <T>(kind: ErrorKind, message: string): Asked<T> => ({ error: { kind, message } })

const WELL: PreflightFacts = {
  ...{ workload: 'job', from: 'a', to: 'b' },
  options: migrationOptions.parse({}),
  busy: undefined,
  refusals: {},
  queue: undefined,
  versions: { source: { min: 1, max: 2 }, target: { min: 2, max: 3 } },
  source: prepared(),
  bundle: undefined,
  hosts: { source: { said: host() }, target: { said: host() } },
  rehearsal: { said: prepared() },
  link: { said: link },
  estimate: { said: estimate },
}

/** Those that do not pass, and the sentences of all. */
function look(changes: Partial<PreflightFacts>) {
  const checks = preflight({ ...WELL, ...changes })
  const not: Partial<Record<PreflightCheck['check'], PreflightCheck['verdict']>> = {}
  for (const { check, verdict } of checks) if (verdict !== 'pass') not[check] = verdict
  const said = Object.fromEntries(checks.map(({ check, message }) => [check, message]))
  return { not, said }
}

/** What the answers of a rehearsal are looked at for. */
const UNTRIED = {
  memory: 'warning',
  program: 'warning',
  data: 'warning',
  runtime: 'warning',
  tracker: 'warning',
}

test('all is well: every check passes, and says what it saw', () => {
  const { not, said } = look({})
  expect(not).toEqual({})
  expect(said).toMatchObject({
    job: 'job takes steps on a',
    protocol: 'both hosts speak version 2',
    memory: 'b has 1000.0 MiB that nothing uses, and the job needs 0.0 MiB',
    data: 'b has the same bytes in 1 file that it reads',
    runtime: 'its first steps give the same bits there (b: Node v20.20.0 on x64; a: Node v20.20.0 on x64)',
    link: 'b reaches a: 1.0 MiB/s, round trip 0.20 ms',
    downtime: '10 ms of downtime expected, 300 ms allowed, 1000 ms in total',
  })
})

test.each([
  ['job', { busy: 'job is finished' }, 'job is finished'],
  ['host', { refusals: { away: 'the agent of b is not connected' } }, 'the agent of b is not connected'],
  ['host', { refusals: { alreadyThere: 'job runs on b already' } }, 'job runs on b already'],
  ['maintenance', { refusals: { maintenance: 'b is in maintenance' } }, 'b is in maintenance'],
  ['labels', { refusals: { labels: 'no label disk' } }, 'no label disk'],
  ['rules', { refusals: { rules: 'apart from other' } }, 'apart from other'],
  ['jobs', { refusals: { jobs: 'it has 2 of at most 2 jobs' } }, 'it has 2 of at most 2 jobs'],
  [
    'protocol',
    { versions: { source: { min: 3, max: 4 }, target: { min: 1, max: 2 } } },
    'the target speaks versions 1 to 2, the source 3 to 4',
  ],
  ['link', { link: failed('unreachable', 'nobody answered') }, 'nobody answered'],
  ['link', { link: failed('port-in-use', 'all ports are taken') }, 'all ports are taken'],
] as const)('%s: a blocker in the words of a refused move, and it alone', (check, changes, sentence) => {
  const { not, said } = look(changes as Partial<PreflightFacts>)
  expect(not).toEqual({ [check]: 'blocker' })
  expect(said[check]).toBe(sentence)
})

test.each([
  ['program', 'program-missing'],
  ['program', 'forbidden'],
  ['data', 'data-missing'],
  ['memory', 'out-of-memory'],
  ['runtime', 'program-failed'],
  ['runtime', 'worker-crashed'],
] as const)(
  '%s blocks where the job ends there with %s; what was not reached is not known',
  (check, kind) => {
    const { not, said } = look({ rehearsal: failed(kind, 'as it said') })
    expect(not).toEqual({ ...UNTRIED, [check]: 'blocker' })
    expect(said[check]).toBe('as it said')
  },
)

test('whatever differs there is said, the cause first, and what follows from it is not taken for another', () => {
  const program = look({ rehearsal: { said: prepared({ programDigest: OTHER, rehearsalDigest: OTHER }) } })
  expect(program.not).toEqual({ program: 'blocker', runtime: 'warning' })
  expect(program.said.program).toContain('another version of program mlp')
  const data = look({ rehearsal: { said: prepared({ dataDigests: {}, rehearsalDigest: OTHER }) } })
  expect(data.not).toEqual({ data: 'blocker', runtime: 'warning' })
  expect(data.said.data).toContain('./corpus')
  const bits = look({
    rehearsal: { said: prepared({ rehearsalDigest: OTHER, mathDigests: { sin: OTHER } }) },
  })
  expect(bits.not).toEqual({ runtime: 'blocker' })
  const both = prepared({ programDigest: OTHER, dataDigests: {} }).identity
  expect(differencesOf(IDENTITY_OF_JOB, both).map(({ kind }) => kind)).toEqual([
    'program-differs',
    'data-differs',
  ])
  expect(differencesOf(IDENTITY_OF_JOB, IDENTITY_OF_JOB)).toEqual([])
})

test('a tracker that was asked for and is not there blocks; another one is a warning, a better one is none', () => {
  const source = prepared({ tracker: 'userfaultfd' })
  const named = look({ source, rehearsal: failed('bad-arguments', 'no userfaultfd') })
  expect(named.not.tracker).toBe('blocker')
  const compare = look({ source, rehearsal: { said: prepared({}, { trackerReason: 'not permitted' }) } })
  expect(compare.not).toEqual({ tracker: 'warning' })
  expect(compare.said.tracker).toContain('compare (not permitted), and a does by userfaultfd')
  expect(look({ rehearsal: { said: prepared({ tracker: 'userfaultfd' }) } }).not).toEqual({})
})

test('what a move gets over at a price is a warning', () => {
  const queued = look({ queue: { place: 3, reason: '2 moves leave a, its limit' } })
  expect(queued.not).toEqual({ queue: 'warning' })
  expect(queued.said.queue).toContain('place 3 of the queue: 2 moves leave a, its limit')
  expect(look({ hosts: { source: { said: host() }, target: { said: host(0) } } }).not).toEqual({
    memory: 'warning',
  })
  const hopeless = { estimate: { said: { ...estimate, converges: false, reason: 'too many pages' } } }
  expect(look(hopeless).not).toEqual({ downtime: 'warning' })
  const options = migrationOptions.parse({ onStall: 'giveUp' })
  expect(look({ ...hopeless, options }).not).toEqual({ downtime: 'blocker' })
  const slow = { estimate: { said: { ...estimate, totalMs: 1e6 } } }
  expect(look(slow).not).toEqual({ downtime: 'warning' })
})

test('nothing passes that nobody looked at', () => {
  const notAsked = { notAsked: 'b is in maintenance' }
  const hosts = { source: WELL.hosts.source, target: failed<never>('peer-stalled', 'no answer') }
  const { not } = look({ rehearsal: notAsked, link: notAsked, estimate: notAsked, hosts })
  expect(not).toEqual({ ...UNTRIED, link: 'warning', downtime: 'warning' })
  expect(look({ rehearsal: failed('setup-timeout', 'not within 25 s') }).not).toEqual(UNTRIED)
  expect(look({ versions: { source: undefined, target: { min: 1, max: 1 } } }).not).toEqual({
    protocol: 'warning',
  })
  expect(look({ source: undefined }).not).toEqual(UNTRIED)
})

test('each check is there once, as the protocol has it, and those that depend on one fact see no other', () => {
  const sentence = fc.option(fc.string(), { nil: undefined })
  const facts = fc.record({
    busy: sentence,
    refusals: fc.record({
      ...{ away: sentence, maintenance: sentence, labels: sentence, rules: sentence, jobs: sentence },
    }),
    queue: fc.option(fc.record({ place: fc.integer({ min: 1 }), reason: fc.string() }), { nil: undefined }),
    rehearsal: fc.constantFrom<Asked<ReturnType<typeof prepared>>>(
      WELL.rehearsal as never,
      { notAsked: 'x'.repeat(9000) },
      failed('out-of-memory', 'x'.repeat(9000)),
    ),
    link: fc.constantFrom<PreflightFacts['link']>(WELL.link, { notAsked: '' }, failed('unreachable', '')),
  })
  fc.assert(
    fc.property(facts, (changes) => {
      const checks = preflight({ ...WELL, ...changes })
      expect(checks.map(({ check }) => check)).toEqual(PREFLIGHT_CHECKS)
      for (const each of checks) {
        expect(preflightCheck.safeParse(each).success).toBe(true)
        expect(each.advice === undefined).toBe(each.verdict === 'pass')
      }
      const verdicts = Object.fromEntries(checks.map(({ check, verdict }) => [check, verdict]))
      const { refusals, busy, queue } = changes
      expect(verdicts).toMatchObject({
        job: busy === undefined ? 'pass' : 'blocker',
        host: refusals.away === undefined ? 'pass' : 'blocker',
        maintenance: refusals.maintenance === undefined ? 'pass' : 'blocker',
        labels: refusals.labels === undefined ? 'pass' : 'blocker',
        rules: refusals.rules === undefined ? 'pass' : 'blocker',
        jobs: refusals.jobs === undefined ? 'pass' : 'blocker',
        queue: queue === undefined ? 'pass' : 'warning',
      })
    }),
  )
})
