/**
 * Goal: what is typed becomes what is asked for, or a sentence at its field; targets are looked at in turn, and what is shown of them is the worst that
 * was found. Method: forms with one wrong field each; hosts and answers written by hand, answered when the test wants.
 */
import type { HostView, PreflightCheck, PreflightView } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { checkForm, FIRST_FORM, type FormField } from './migrate-form.ts'
import { costOf, type Look, outcomeOf, targetsOf, type Wish, wishesOf } from './migrate-targets.ts'
import { Preflights } from './preflights.ts'

test('what is not touched is what the coordinator does by itself', () => {
  expect(checkForm(FIRST_FORM).options).toEqual({
    computeOnly: false,
    priority: 'normal',
    hold: false,
    downtimeLimitMs: 300,
    timeoutMs: 600_000,
    onTimeout: 'cancel',
    onStall: 'wait',
    verify: false,
  })
  expect(
    checkForm({ ...FIRST_FORM, streams: '4', bandwidth: '1gbit', timeoutSeconds: '1.5' }).options,
  ).toMatchObject({
    maxBandwidth: 125_000_000,
    streams: 4,
    timeoutMs: 1500,
  })
})

test.each<[FormField, string]>([
  ['downtimeLimitMs', ''],
  ['downtimeLimitMs', '0'],
  ['downtimeLimitMs', '-5'],
  ['downtimeLimitMs', '1e3'],
  ['downtimeLimitMs', '86400001'],
  ['timeoutSeconds', 'soon'],
  ['timeoutSeconds', '86401'],
  ['streams', '1.5'],
  ['streams', '17'],
  ['bandwidth', 'fast'],
  ['bandwidth', '1KiB'],
])('%s %j has a sentence of its own', (field, text) => {
  const { options, problems } = checkForm({ ...FIRST_FORM, [field]: text })
  expect(options).toBeUndefined()
  expect(Object.keys(problems ?? {})).toEqual([field])
  expect(problems?.[field]).toMatch(/^Write .*\.$/)
})

const host = (name: string, state: HostView['state'] = 'connected'): HostView => ({
  name,
  state,
  address: name,
  faultDomain: 'east',
  memoryBytes: 1,
  usedMemoryBytes: 0,
  cores: 1,
  stepsPerSecond: 0,
  workloads: [],
})
const HOSTS = [host('host-10'), host('away', 'disconnected'), host('host-2'), host('work', 'maintenance')]
const JOBS = [
  { id: 'digits', host: 'host-2' },
  { id: 'words', host: 'host-10' },
]

test('hosts that take none are last, each with why', () => {
  const shown = targetsOf(HOSTS, [{ id: 'digits', host: 'host-2' }])
  expect(shown.map(({ host: { name }, refusal }) => [name, refusal])).toEqual([
    ['host-10', undefined],
    ['away', 'Its agent is not connected.'],
    ['host-2', 'The job is on host-2 already.'],
    ['work', 'It is in maintenance, and takes no jobs.'],
  ])
})

test('the target that is chosen is looked at first, for those that are not there', () => {
  const targets = targetsOf(HOSTS, JOBS)
  expect(wishesOf(targets, JOBS, undefined)).toEqual([
    { job: 'digits', to: undefined },
    { job: 'words', to: undefined },
    { job: 'words', to: 'host-2' },
    { job: 'digits', to: 'host-10' },
  ])
  expect(wishesOf(targets, JOBS, 'host-10')[0]).toEqual({ job: 'digits', to: 'host-10' })
  const many = targetsOf(
    Array.from({ length: 100 }, (_, index) => host(`h-${index}`)),
    JOBS,
  )
  expect(wishesOf(many, JOBS, undefined)).toHaveLength(16)
})

const check = (verdict: PreflightCheck['verdict']): PreflightCheck => ({
  check: 'job',
  verdict,
  message: verdict,
})
const seen = (verdicts: PreflightCheck['verdict'][], ms?: number): Look => ({
  state: 'seen',
  preflight: {
    workload: 'digits',
    from: 'a',
    checks: verdicts.map(check),
    ...(ms !== undefined && { estimate: { downtimeMs: ms, totalMs: 100 * ms } as PreflightView['estimate'] }),
  } as PreflightView,
})

test('the worst that was found counts', () => {
  const said = (...looks: (Look | undefined)[]): string | undefined => outcomeOf(looks)?.word
  expect(said(undefined, undefined)).toBeUndefined()
  expect(said(seen(['pass']), seen(['pass']))).toBe('can move')
  expect(said(seen(['pass', 'warning']), seen(['pass']))).toBe('1 warning')
  expect(said(seen(['warning']), seen(['blocker', 'blocker']))).toBe('2 blockers')
  expect(said(seen(['pass']), undefined)).toBe('checking…')
  expect(said(seen(['blocker']), { state: 'looking' })).toBe('1 blocker')
  expect(said({ state: 'failed', message: 'no' }, seen(['pass']))).toBe('not known')
})

test('what it would cost, once each job was looked at', () => {
  expect(costOf([seen(['pass'], 20)])).toEqual({ downtime: '20.0 ms', total: '2.00 s' })
  expect(costOf([seen(['pass'], 20), seen(['pass'], 40)])).toEqual({
    downtime: '40.0 ms at most, each',
    total: '4.00 s to 6.00 s',
  })
  expect([costOf([]), costOf([seen(['pass'], 20), undefined]), costOf([seen(['pass'])])]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

/** Answers when it is told to. */
class Answering {
  readonly asked: string[] = []
  readonly preflights = new Preflights((wish) => {
    this.asked.push(`${wish.job} ${wish.to}`)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  })
  readonly #waiting: { resolve(view: PreflightView): void; reject(error: Error): void }[] = []

  async answer(error?: Error): Promise<void> {
    const next = this.#waiting.shift()
    if (error !== undefined) next?.reject(error)
    else next?.resolve({ workload: 'digits', from: 'a', checks: [] })
    // After all that follows from the answer.
    await new Promise((resolve) => setTimeout(resolve))
  }

  get states(): string[] {
    return [...this.preflights.looks.value].map(([key, { state }]) => `${key}: ${state}`)
  }
}

const OPTIONS = checkForm(FIRST_FORM).options as NonNullable<ReturnType<typeof checkForm>['options']>
const WISHES: Wish[] = ['a', 'b', 'c'].map((to) => ({ job: 'digits', to }))

test('one after the other, and what was seen is not asked for again', async () => {
  const answering = new Answering()
  answering.preflights.want(WISHES, OPTIONS)
  expect(answering.states).toEqual(['digits a: looking'])
  await answering.answer()
  await answering.answer(new Error('host b is away'))
  expect(answering.states).toEqual(['digits a: seen', 'digits b: failed', 'digits c: looking'])
  expect(answering.preflights.looks.value.get('digits b')).toMatchObject({ message: 'host b is away' })
  await answering.answer()
  answering.preflights.want(WISHES.slice(0, 2), OPTIONS)
  expect(answering.asked).toEqual(['digits a', 'digits b', 'digits c'])
})

test('what is wanted first goes first, and what is wanted no more is not asked for', async () => {
  const answering = new Answering()
  answering.preflights.want(WISHES, OPTIONS)
  answering.preflights.want([{ job: 'digits', to: 'd' }], OPTIONS)
  await answering.answer()
  await answering.answer()
  expect(answering.asked).toEqual(['digits a', 'digits d'])
})

test('stopped, nothing more comes; other options begin anew', async () => {
  const answering = new Answering()
  answering.preflights.want(WISHES, OPTIONS)
  await answering.answer()
  answering.preflights.stop()
  await answering.answer()
  expect(answering.states).toEqual(['digits a: seen'])
  answering.preflights.want(WISHES.slice(0, 1), { ...OPTIONS, streams: 4 })
  expect(answering.states).toEqual(['digits a: looking'])
  answering.preflights.want(WISHES.slice(0, 1), { ...OPTIONS, streams: 2 })
  await answering.answer()
  expect(answering.states).toEqual(['digits a: looking'])
  await answering.answer()
  expect(answering.states).toEqual(['digits a: seen'])
})
