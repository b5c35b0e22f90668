/**
 * Goal: whatever a target does wrong before its claim, in any phase, the source trains on, says phase and cause, and
 * can still be moved, to the bit.
 * Method: a real worker, and a target written by hand that dies, stalls or sends rubbish in each phase. After
 * each fault the job takes further steps, and at the end moves to a real target and equals a run that nobody disturbed.
 */
import { randomBytes } from 'node:crypto'
import { type ErrorKind, type MigrationOptions, migrationOptions } from '@godwit/protocol'
import { type JobSpec, lossBits, programFile, Rig, type RigWorker, ScriptedTarget } from '@godwit/testkit'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const MIXER = programFile(new URL('./support/programs/mixer.ts', import.meta.url).pathname)
const spec: JobSpec = {
  program: MIXER,
  steps: 100_000,
  parameters: { pages: 2048, dirtyPages: 200, stepMs: 1 },
}

let opened = 0

async function openFor(
  source: RigWorker,
  options: Partial<MigrationOptions> = {},
): Promise<{ target: ScriptedTarget; migrationId: string; secret: string }> {
  opened += 1
  const migrationId = `fault-${opened}`
  const secret = randomBytes(32).toString('hex')
  source.send({
    type: 'openOutgoing',
    migrationId,
    from: 'a',
    to: 'b',
    secret,
    options: migrationOptions.parse(options),
    elapsedMs: 0,
  })
  const { port } = await source.next('outgoingOpened', (message) => message.migrationId === migrationId)
  const target = new ScriptedTarget({ port, migrationId, secret })
  await target.dial()
  return { target, migrationId, secret }
}

interface Fault {
  readonly name: string
  readonly kind: ErrorKind
  readonly phase: string
  readonly options?: Partial<MigrationOptions>
  act(target: ScriptedTarget, source: RigWorker): Promise<void>
}

/** Ends within the timeouts of the protocol; the quick ones first. */
const faults: Fault[] = [
  {
    name: 'dies before hello is answered',
    kind: 'connection-lost',
    phase: 'setup',
    act: async (target, source) => {
      target.hello((await source.next('prepared')).identity)
      await target.next('welcome')
      target.die()
    },
  },
  {
    name: 'speaks another protocol version',
    kind: 'protocol-version',
    phase: 'setup',
    act: async (target, source) =>
      target.hello((await source.next('prepared')).identity, { versions: { min: 8, max: 9 } }),
  },
  {
    name: 'sends bytes that are no message',
    kind: 'bad-message',
    phase: 'setup',
    act: async (target, source) => {
      target.hello((await source.next('prepared')).identity)
      await target.next('welcome')
      target.sendRaw(randomBytes(100))
    },
  },
  {
    name: 'claims to run during setup',
    kind: 'out-of-order',
    phase: 'setup',
    act: async (target, source) => {
      target.hello((await source.next('prepared')).identity)
      await target.next('welcome')
      target.send({ type: 'running', epoch: 9, runningAtMs: 1, claimWaitMs: 0, claimRoundTripMs: 0 })
    },
  },
  {
    name: 'dies while pages arrive',
    kind: 'connection-lost',
    phase: 'active',
    options: { downtimeLimitMs: 0.001 },
    act: async (target, source) => {
      await target.receive(source)
      await target.frameArrived()
      target.die()
    },
  },
  {
    name: 'loses only its bulk connection',
    kind: 'connection-lost',
    phase: 'active',
    options: { downtimeLimitMs: 0.001 },
    act: async (target, source) => {
      await target.receive(source)
      await target.frameArrived()
      target.bulk[0]?.terminate()
    },
  },
  {
    name: 'acknowledges more than was sent',
    kind: 'out-of-order',
    phase: 'active',
    options: { downtimeLimitMs: 0.001 },
    act: async (target, source) => {
      await target.receive(source)
      await target.frameArrived()
      target.send({ type: 'installed', stream: 0, bytes: 2 ** 50 })
    },
  },
  {
    name: 'acknowledges a stream that does not exist',
    kind: 'out-of-order',
    phase: 'active',
    options: { downtimeLimitMs: 0.001 },
    act: async (target, source) => {
      await target.receive(source)
      await target.frameArrived()
      target.send({ type: 'installed', stream: 3, bytes: 1 })
    },
  },
  {
    name: 'talks on its bulk connection',
    kind: 'out-of-order',
    phase: 'active',
    options: { downtimeLimitMs: 0.001 },
    act: async (target, source) => {
      await target.receive(source)
      await target.frameArrived()
      target.bulk[0]?.send('hello?')
    },
  },
  {
    name: 'says that it failed',
    kind: 'disk-full',
    phase: 'active',
    options: { downtimeLimitMs: 0.001 },
    act: async (target, source) => {
      await target.receive(source)
      await target.frameArrived()
      target.send({ type: 'failed', error: { kind: 'disk-full', message: 'no room' } })
    },
  },
  {
    name: 'never converges',
    kind: 'not-converging',
    phase: 'active',
    options: { downtimeLimitMs: 0.001, timeoutMs: 500 },
    act: async (target, source) => target.receive(source),
  },
]

/** These wait for a timeout of the protocol each, so they run beside each other on jobs of their own. */
const stalls: Fault[] = [
  { name: 'never says hello', kind: 'setup-timeout', phase: 'setup', act: async () => {} },
  {
    name: 'never opens its bulk connection',
    kind: 'setup-timeout',
    phase: 'setup',
    act: async (target, source) => target.hello((await source.next('prepared')).identity),
  },
  {
    name: 'stops reading pages',
    kind: 'peer-stalled',
    phase: 'active',
    act: async (target, source) => target.receive(source, { acknowledge: false, read: false }),
  },
]

async function expectFault(rig: Rig, source: RigWorker, fault: Fault): Promise<void> {
  const { target, migrationId } = await openFor(source, fault.options)
  await fault.act(target, source)
  const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
  expect(ended).toMatchObject({ status: 'failed', error: { kind: fault.kind, phase: fault.phase } })
  expect(ended.error?.message).not.toBe('')
  await rig.reached(source, rig.ledger.outputs.length + 5)
  target.die()
}

describe('one job that is disturbed again and again', () => {
  const rig = new Rig()
  let source: RigWorker
  beforeAll(async () => {
    source = await rig.start(spec)
  })
  afterAll(() => rig.close())

  for (const fault of faults) {
    test(`the target ${fault.name}: ${fault.phase}, ${fault.kind}`, () => expectFault(rig, source, fault))
  }

  test('a stranger without the secret, or a second target, is turned away and disturbs nothing', async () => {
    const { target, migrationId, secret } = await openFor(source, { downtimeLimitMs: 0.001 })
    const { identity } = await source.next('prepared')
    target.hello(identity)
    await target.next('welcome')
    const { port } = await source.next('outgoingOpened', (message) => message.migrationId === migrationId)
    for (const given of ['f'.repeat(64), secret]) {
      const stranger = new ScriptedTarget({ port, migrationId, secret: given })
      await stranger.dial()
      stranger.hello(identity)
      expect(await stranger.next('refused')).toMatchObject({ error: { kind: 'unauthorized' } })
    }
    source.send({ type: 'cancelMigration', migrationId, error: { kind: 'cancelled', message: 'enough' } })
    const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
    expect(ended).toMatchObject({ status: 'cancelled', error: { kind: 'cancelled', phase: 'setup' } })
  })

  test('a cancel while pages are sent leaves it training', async () => {
    const { target, migrationId } = await openFor(source, { downtimeLimitMs: 0.001 })
    await target.receive(source)
    await target.frameArrived()
    source.send({ type: 'cancelMigration', migrationId, error: { kind: 'cancelled', message: 'enough' } })
    const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
    expect(ended).toMatchObject({ status: 'cancelled', error: { kind: 'cancelled', phase: 'active' } })
    await rig.reached(source, rig.ledger.outputs.length + 5)
  })

  test('after all of it the job still moves, and equals one that nobody disturbed', async () => {
    const target = await rig.start(spec, { mode: 'incoming' })
    const report = await rig.migrate(source, target)
    await rig.reached(target, report.step + 50)
    const disturbed = rig.ledger.outputs.slice(0, report.step + 50)
    target.send({ type: 'stop' })
    await target.exited
    const undisturbed = new Rig()
    const control = await undisturbed.start(spec)
    await undisturbed.reached(control, report.step + 50)
    expect(lossBits(undisturbed.ledger.outputs.slice(0, report.step + 50)) === lossBits(disturbed)).toBe(true)
    await undisturbed.close()
  })
})

describe('a target that stalls', () => {
  const rigs: Rig[] = []
  afterAll(async () => {
    await Promise.all(rigs.map((rig) => rig.close()))
  })
  for (const fault of stalls) {
    test.concurrent(`the target ${fault.name}: ${fault.phase}, ${fault.kind}`, {
      timeout: 60_000,
    }, async () => {
      const rig = new Rig()
      rigs.push(rig)
      await expectFault(rig, await rig.start(spec), fault)
    })
  }
})
