/**
 * Goal: whoever reaches the door of a migration without its secret, or with one that was used, or with a bulk token that was, disturbs neither the
 * job nor the target that is let in; and what the worker holds for them is bounded and given back.
 * Method: a real worker that trains, a target written by hand that takes pages slowly, and strangers at the same port meanwhile. What a
 * target that was let in may do wrong: source-faults.test.ts. What a source may: target-faults.test.ts.
 */
import { randomBytes } from 'node:crypto'
import { encodeValue, type FromTarget, migrationOptions } from '@godwit/protocol'
import { type JobSpec, programFile, Rig, type RigWorker, ScriptedTarget } from '@godwit/testkit'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Attacker, frame, heldBy, mostResident, upgrade } from './support/attacker.ts'

const spec: JobSpec = {
  program: programFile(new URL('./support/programs/mixer.ts', import.meta.url).pathname),
  steps: 1_000_000,
  parameters: { pages: 2048, dirtyPages: 200, stepMs: 1 },
}
const MOST_GROWTH_BYTES = 200 * 2 ** 20

const rig = new Rig()
let source: RigWorker
beforeAll(async () => {
  source = await rig.start(spec)
})
afterAll(() => rig.close())

interface Door {
  readonly port: number
  readonly migrationId: string
  readonly secret: string
}

let opened = 0
let door: Door
beforeEach(async () => {
  opened += 1
  const migrationId = `hostile-${opened}`
  const secret = randomBytes(32).toString('hex')
  source.send({
    type: 'openOutgoing',
    migrationId,
    from: 'a',
    to: 'b',
    secret,
    // It never gets to its end by itself.
    options: migrationOptions.parse({ downtimeLimitMs: 0.001 }),
    elapsedMs: 0,
  })
  const { port } = await source.next('outgoingOpened', (message) => message.migrationId === migrationId)
  door = { port, migrationId, secret }
})

/** A target that was let in, and pages on their way to it. */
async function letIn(): Promise<ScriptedTarget> {
  const target = new ScriptedTarget(door)
  await target.dial()
  await target.receive(source)
  await target.frameArrived()
  return target
}

/** The job goes on by one. */
function aStep(): Promise<void> {
  return rig.reached(source, rig.ledger.outputs.length + 1)
}

/** Attacks beside a target that is let in, and looks at it, the job and the worker's process afterwards. */
async function survives(attack: (target: ScriptedTarget) => Promise<void>): Promise<void> {
  const pid = source.process.pid as number
  const before = heldBy(pid)
  const target = await letIn()
  await attack(target)
  const arrived = target.frames
  await rig.reached(source, rig.ledger.outputs.length + 20)
  while (target.frames === arrived) await aStep()
  source.send({
    type: 'cancelMigration',
    migrationId: door.migrationId,
    error: { kind: 'cancelled', message: 'enough' },
  })
  const ended = await source.next('migrationEnded', ({ migrationId }) => migrationId === door.migrationId)
  // Nobody but the person ended it.
  expect(ended).toMatchObject({ status: 'cancelled', error: { kind: 'cancelled' } })
  target.die()
  while (heldBy(pid).sockets > before.sockets) await aStep()
  expect(mostResident(pid) - before.residentBytes).toBeLessThan(MOST_GROWTH_BYTES)
}

const said = (message: FromTarget): Buffer => frame(encodeValue(message))

test('strangers who say nothing, garbage, too much, or what belongs behind a hello', () =>
  survives(async () => {
    const { migrationId } = door
    const openings: ((attacker: Attacker) => unknown)[] = [
      (attacker) => attacker.send(Buffer.alloc(5000, 0xa7)),
      (attacker) => attacker.send(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
      (attacker) => attacker.send(upgrade('/nowhere')),
      (attacker) =>
        attacker.send(Buffer.concat([upgrade('/control'), said({ type: 'installed', stream: 0, bytes: 9 })])),
      (attacker) => attacker.send(Buffer.concat([upgrade('/control'), frame(Buffer.alloc(100_000, 0x91))])),
      (attacker) =>
        attacker.send(Buffer.concat([upgrade('/control'), frame(Buffer.alloc(0), { length: 2n ** 40n })])),
      (attacker) => attacker.send(Buffer.concat([upgrade('/bulk'), frame(Buffer.alloc(2 ** 20, 0x80))])),
      (attacker) =>
        attacker.send(
          Buffer.concat([
            upgrade('/bulk'),
            said({ type: 'bulkHello', migrationId, bulkToken: 'f'.repeat(64), stream: 0 }),
          ]),
        ),
      (attacker) =>
        attacker.send(
          Buffer.concat([
            upgrade('/control'),
            said({ type: 'running', epoch: 99, runningAtMs: 1, claimWaitMs: 0, claimRoundTripMs: 0 }),
          ]),
        ),
    ]
    for (const open of openings) {
      const attacker = await Attacker.connect({ port: door.port })
      open(attacker)
      await attacker.closed
    }
  }))

test('strangers who are silent or slow, as many as find room and more', () =>
  survives(async () => {
    const heads = [
      Buffer.alloc(0),
      upgrade('/control'),
      upgrade('/bulk'),
      upgrade('/control').subarray(0, 10),
    ]
    const attackers: Attacker[] = []
    for (let times = 0; times < 40; times++) {
      const attacker = await Attacker.connect({ port: door.port })
      attacker.send(heads[times % heads.length] as Buffer)
      attackers.push(attacker)
    }
    await Promise.all(attackers.map(({ closed }) => closed))
  }))

test('a million pings from strangers who never read', () =>
  survives(async (target) => {
    const attackers = await Promise.all(
      ['/control', '/bulk'].map((path) => Attacker.upgraded({ port: door.port }, path)),
    )
    for (const attacker of attackers) attacker.stopReading()
    const arrived = target.frames
    const flood = attackers.map((attacker) =>
      attacker.flood(
        frame(Buffer.alloc(125), { opcode: 'ping' }),
        1_000_000,
        () => target.frames > arrived + 100,
      ),
    )
    while (target.frames <= arrived + 100) await aStep()
    await Promise.all(flood)
    for (const attacker of attackers) attacker.end()
  }))

test('the secret once more, the bulk token once more, and a stream that there is not', () =>
  survives(async (target) => {
    const { identity } = await source.next('prepared')
    const second = new ScriptedTarget(door)
    await second.dial()
    second.hello(identity)
    expect(await second.next('refused')).toMatchObject({ error: { kind: 'unauthorized' } })
    const { bulkToken } = await target.next('welcome')
    for (const stream of [0, 1, 15, Number.MAX_SAFE_INTEGER]) {
      const attacker = await Attacker.upgraded({ port: door.port }, '/bulk')
      attacker.send(said({ type: 'bulkHello', migrationId: door.migrationId, bulkToken, stream }))
      await attacker.closed
    }
  }))

test("an earlier migration's secret opens nothing", async () => {
  const before = door
  await survives(async () => {})
  opened += 1
  const migrationId = `hostile-${opened}`
  source.send({
    type: 'openOutgoing',
    migrationId,
    from: 'a',
    to: 'b',
    secret: randomBytes(32).toString('hex'),
    options: migrationOptions.parse({ downtimeLimitMs: 0.001 }),
    elapsedMs: 0,
  })
  const { port } = await source.next('outgoingOpened', (message) => message.migrationId === migrationId)
  const { identity } = await source.next('prepared')
  for (const given of [before, { ...before, migrationId }]) {
    const target = new ScriptedTarget({ ...given, port })
    await target.dial()
    target.hello(identity)
    expect(await target.next('refused')).toMatchObject({ error: { kind: 'unauthorized' } })
  }
  source.send({ type: 'cancelMigration', migrationId, error: { kind: 'cancelled', message: 'enough' } })
  await source.next('migrationEnded', (message) => message.migrationId === migrationId)
})
