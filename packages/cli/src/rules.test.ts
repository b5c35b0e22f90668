/** Goal: rules are added to those there are, or taken from them, and what they break is said beside. Method: a scripted coordinator and a captured terminal. */
import type { PlacementRules } from '@godwit/protocol'
import { beforeEach, expect, test } from 'vitest'
import { CommandLine } from './support/command-line.suite.ts'

const BEFORE: PlacementRules = { requires: { disk: 'fast', zone: 'x' }, with: ['other'], apartFrom: ['far'] }

const cli = new CommandLine()
beforeEach(() => {
  cli.coordinator.script = (request) =>
    request.op === 'setRules'
      ? { rules: request.rules, broken: ['a may not take job'] }
      : { rules: BEFORE, broken: [] }
})

async function run(line: string) {
  const ran = await cli.godwit(line)
  return { ...ran, set: cli.requests.findLast(({ op }) => op === 'setRules') }
}

test('listed they change nothing', async () => {
  const { stdout, set } = await run('rules job')
  expect([stdout, set]).toEqual([['disk=fast, zone=x, with other, apart from far'], undefined])
})

test.each<[string, PlacementRules]>([
  ['--require gpu=none', { ...BEFORE, requires: { disk: 'fast', zone: 'x', gpu: 'none' } }],
  ['--with third --with other', { ...BEFORE, with: ['other', 'third'] }],
  ['--remove disk --remove far', { requires: { zone: 'x' }, with: ['other'] }],
  ['--clear', {}],
  ['--clear --apart-from third', { apartFrom: ['third'] }],
])('rules job %s', async (options, rules) => {
  const { stderr, set, exitCode } = await run(`rules job ${options}`)
  expect([exitCode, set]).toEqual([0, { op: 'setRules', workload: 'job', rules }])
  expect(stderr).toEqual(['now: a may not take job'])
})

test('one that there is not is not removed', async () => {
  const { stderr, set, exitCode } = await run('rules job --remove nobody')
  expect([exitCode, set, stderr[0]]).toEqual([1, undefined, expect.stringContaining('no rule about nobody')])
})
