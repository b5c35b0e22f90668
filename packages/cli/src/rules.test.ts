/** Goal: rules are added to those there are, or taken from them, and what they break is said beside. Method: a scripted coordinator and a captured terminal. */
import { FakeCoordinator } from '@godwit/client/testing'
import type { ClientRequest, PlacementRules } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCli } from './cli.ts'
import { CapturedIo } from './support/captured-io.ts'

const BEFORE: PlacementRules = { requires: { disk: 'fast', zone: 'x' }, with: ['other'], apartFrom: ['far'] }

let coordinator: FakeCoordinator
beforeEach(async () => {
  coordinator = new FakeCoordinator()
  coordinator.script = (request) =>
    request.op === 'setRules'
      ? { rules: request.rules, broken: ['a may not take job'] }
      : { rules: BEFORE, broken: [] }
  await coordinator.start()
})
afterEach(() => coordinator.stop())

async function run(line: string): Promise<{ io: CapturedIo; code: number; set: ClientRequest | undefined }> {
  const io = new CapturedIo()
  const code = await runCli(['--coordinator', coordinator.url, ...line.split(' ')], io)
  return { io, code, set: coordinator.requests.findLast(({ op }) => op === 'setRules') }
}

test('listed they change nothing', async () => {
  const { io, set } = await run('rules job')
  expect([io.stdout, set]).toEqual([['disk=fast, zone=x, with other, apart from far'], undefined])
})

test.each<[string, PlacementRules]>([
  ['--require gpu=none', { ...BEFORE, requires: { disk: 'fast', zone: 'x', gpu: 'none' } }],
  ['--with third --with other', { ...BEFORE, with: ['other', 'third'] }],
  ['--remove disk --remove far', { requires: { zone: 'x' }, with: ['other'] }],
  ['--clear', {}],
  ['--clear --apart-from third', { apartFrom: ['third'] }],
])('rules job %s', async (options, rules) => {
  const { io, set, code } = await run(`rules job ${options}`)
  expect([code, set]).toEqual([0, { op: 'setRules', workload: 'job', rules }])
  expect(io.stderr).toEqual(['now: a may not take job'])
})

test('one that there is not is not removed', async () => {
  const { io, set, code } = await run('rules job --remove nobody')
  expect([code, set, io.stderr[0]]).toEqual([1, undefined, expect.stringContaining('no rule about nobody')])
})
