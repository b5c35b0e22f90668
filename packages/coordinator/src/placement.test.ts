/**
 * Goal: a job goes where it may and is best off, and whoever wonders is told why. Method: laws over random clusters, judged by
 * conditions written apart from the code; then the sentences.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkHost, checkRules, chosenOf, type HostFacts, type JobFacts, place } from './placement.ts'
import { hostFacts as host, MiB } from './support/host-facts.ts'

const job = (id: string, at: string | undefined, more: Partial<JobFacts> = {}): JobFacts => ({
  id,
  host: at,
  memoryBytes: 100 * MiB,
  rules: {},
  ...more,
})

const NAMES = ['a', 'b', 'c', 'd']
const IDS = ['j1', 'j2', 'j3', 'j4', 'j5']
const some = <T>(values: readonly T[]) => fc.uniqueArray(fc.constantFrom(...values), { maxLength: 2 })
const clusters = fc.record({
  hosts: fc.tuple(
    ...NAMES.map((name) =>
      fc.record({
        name: fc.constant(name),
        isConnected: fc.boolean(),
        isInMaintenance: fc.boolean(),
        faultDomain: fc.constantFrom('east', 'east/r1', 'east/r2', 'west/r1'),
        labels: fc.constantFrom({}, { disk: 'fast' }, { disk: 'slow' }),
        memoryBytes: fc.integer({ min: 1, max: 8 }).map((hundreds) => hundreds * 100 * MiB),
        maxJobs: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
        utilisation: fc.constant(undefined),
      }),
    ),
  ),
  jobs: fc.tuple(
    ...IDS.map((id) =>
      fc.record({
        id: fc.constant(id),
        host: fc.constantFrom(...NAMES),
        move: fc.option(
          fc.record({ id: fc.constant('m'), from: fc.constantFrom(...NAMES), to: fc.constantFrom(...NAMES) }),
          { nil: undefined },
        ),
        memoryBytes: fc.constantFrom(0, 50 * MiB, 200 * MiB),
        rules: fc.record(
          { requires: fc.constant({ disk: 'fast' }), with: some(IDS), apartFrom: some(IDS) },
          { requiredKeys: [] },
        ),
      }),
    ),
  ),
})

/** Whether `where` may take `what`, said again in other words. */
function isAllowed(where: HostFacts, what: JobFacts, jobs: readonly JobFacts[]): boolean {
  const others = jobs.filter(({ id }) => id !== what.id)
  const isAt = (each: JobFacts): boolean => [each.host, each.move?.from, each.move?.to].includes(where.name)
  const there = others.filter(isAt)
  const bytes = there.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
  const { requires = {}, with: together = [], apartFrom = [] } = what.rules
  const friends = others.filter(({ id }) => together.includes(id))
  return (
    where.isConnected &&
    !where.isInMaintenance &&
    where.name !== what.host &&
    Object.keys(requires).every((key) => where.labels[key] === requires[key]) &&
    friends.every((friend) => (friend.move === undefined ? friend.host : friend.move.to) === where.name) &&
    there.every(({ id, rules }) => !apartFrom.includes(id) && !(rules.apartFrom ?? []).includes(what.id)) &&
    (where.maxJobs === undefined || there.length < where.maxJobs) &&
    where.memoryBytes - bytes >= Math.max(1, what.memoryBytes)
  )
}

test('a host is taken when, and only when, some may, and never one that may not', () => {
  fc.assert(
    fc.property(clusters, fc.constantFrom(...IDS), ({ hosts, jobs }, id) => {
      const what = jobs.find((each) => each.id === id) as JobFacts
      const { chosen, verdicts } = place(what, hosts, jobs)
      const allowed = hosts.filter((each) => isAllowed(each, what, jobs)).map(({ name }) => name)
      expect(
        verdicts
          .filter(({ verdict }) => verdict !== 'refused')
          .map(({ host }) => host)
          .sort(),
      ).toEqual(allowed)
      expect(chosen === undefined).toBe(allowed.length === 0)
      expect(verdicts.map(({ host }) => host).sort()).toEqual(NAMES)
      expect(verdicts.filter(({ verdict }) => verdict === 'taken').map(({ host }) => host)).toEqual(
        chosen === undefined ? [] : [chosen],
      )
      for (const { reason } of verdicts) expect(reason).not.toBe('')
      // Nothing hangs on the order in which anybody is named.
      expect(place(what, [...hosts].reverse(), [...jobs].reverse())).toEqual({ chosen, verdicts })
    }),
  )
})

test('memory counts most, then an idle processor, other fault domains, and the checkpoint', () => {
  const taken = (
    hosts: HostFacts[],
    jobs: JobFacts[] = [],
    more: Partial<JobFacts> = {},
  ): string | undefined => place(job('new', undefined, more), hosts, jobs).chosen
  expect(taken([host('a', { memoryBytes: 500 * MiB }), host('b')])).toBe('b')
  const use = { usedMemoryBytes: 0, receivedBytesPerSecond: 0, sentBytesPerSecond: 0 }
  expect(
    taken([
      host('a', { utilisation: { cpu: 0.9, ...use } }),
      host('b', { utilisation: { cpu: 0.1, ...use } }),
    ]),
  ).toBe('b')
  const [a, b, c] = [
    host('a'),
    host('b', { faultDomain: 'east' }),
    host('c', { faultDomain: 'west' }),
  ] as const
  expect(taken([a, b, c], [job('old', 'a')])).toBe('c')
  expect(taken([a, b], [], { checkpointHost: 'b' })).toBe('b')
  expect(taken([b, a])).toBe('a')
})

test('a full cluster, and rules that contradict each other, are said host by host', () => {
  const hosts = [host('a'), host('b'), host('c', { isInMaintenance: true })]
  const jobs = [job('x', 'a', { memoryBytes: 950 * MiB }), job('y', 'b', { memoryBytes: 1000 * MiB })]
  const said = (what: JobFacts): string => {
    try {
      return chosenOf(place(what, hosts, jobs), what.id)
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(said(job('new', undefined))).toBe(
    'no host may take new: a: 50.0 MiB of its memory are free, and the job needs 100.0 MiB; b: 0.0 MiB of its memory are free, and the job needs 100.0 MiB; c: it is in maintenance',
  )
  expect(said(job('new', undefined, { memoryBytes: 0, rules: { with: ['x'], apartFrom: ['y'] } }))).toBe('a')
  expect(said(job('new', undefined, { rules: { with: ['x', 'y'] } }))).toMatch(
    /a: the job must be with y, which is on b; b: the job must be with x, which is on a/,
  )
  expect(said(job('new', undefined, { rules: { requires: { disk: 'fast' } } }))).toMatch(
    /a: the job requires disk=fast, and it has no label disk/,
  )
  expect(() => checkRules('new', { with: ['x'], apartFrom: ['x'] })).toThrow(/with x and apart from it/)
  expect(() => checkRules('new', { with: ['new'] })).toThrow(/names new itself/)
  expect(() => checkHost(host('a', { maxJobs: 1 }), job('new', undefined), jobs)).toThrow(
    /a may not take new: it has 1 of at most 1 jobs/,
  )
  expect(() =>
    chosenOf(place(job('new', undefined), [host('a', { isConnected: false })], []), 'new'),
  ).toThrow(/no agent is connected/)
})
