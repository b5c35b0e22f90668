/**
 * Goal: nobody who reaches the coordinator's port, with or without a good handshake, harms a job, its agent, or those who ask; and what the
 * coordinator holds for them is bounded and given back.
 * Method: a real cluster with a job that trains through all of it. After each attack the job takes further steps, another client is
 * answered, and the coordinator has as many open files as before. (What a `Channel` makes of each kind of frame: hostile-channel.test.ts.
 * Certificates and tokens: secure-channel.test.ts, secure-cluster.test.ts.)
 */
import { Channel, dial, HttpPeer } from '@godwit/channel'
import { encodeValue, type FromAgent, type GodwitError, type ToAgent, toAgent } from '@godwit/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Attacker, frame, heldBy, mostResident, upgrade } from './support/attacker.ts'
import { Cluster, type Follower } from './support/cluster.ts'

/** More than it grows by while it is under attack: 100,000 objects that wait for the garbage collector, and buffers. */
const MOST_GROWTH_BYTES = 300 * 2 ** 20

let cluster: Cluster
let job: Follower
let coordinatorPid: number
let port: number
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }])
  port = Number(new URL(cluster.url).port)
  coordinatorPid = cluster.coordinatorPid()
  job = await cluster.run('mixer', 'a', 'job', '--steps', '1000000', '--param', 'stepMs=1')
})
afterAll(async () => {
  await cluster.end()
})

/** Somebody who keeps the rules is answered. */
async function isAnswered(): Promise<void> {
  const coordinator = new HttpPeer(cluster.url)
  expect((await coordinator.ask({ method: 'GET', path: '/api/v1/hosts' })).status).toBe(200)
  coordinator.close()
}

/** Attacks, and looks at everybody else meanwhile and afterwards. */
async function survives(attack: () => Promise<void>): Promise<void> {
  await isAnswered()
  const before = heldBy(coordinatorPid)
  const under = attack()
  await isAnswered()
  await under
  await job.goesOn()
  await isAnswered()
  // What was closed is closed a moment later.
  while (heldBy(coordinatorPid).files > before.files) await isAnswered()
  expect(mostResident(coordinatorPid) - before.residentBytes).toBeLessThan(MOST_GROWTH_BYTES)
  expect((await cluster.workload('job')).status).toBe('running')
}

/** Many at once; some are closed unheard, which is as good. */
async function crowd(
  each: (attacker: Attacker) => unknown,
  { path, size = 100 }: { path?: string; size?: number } = {},
): Promise<Attacker[]> {
  const attackers: Attacker[] = []
  for (let times = 0; times < size; times++) {
    const attacker =
      path === undefined ? await Attacker.connect({ port }) : await Attacker.upgraded({ port }, path)
    attackers.push(attacker)
    each(attacker)
  }
  return attackers
}

function deep(levels: number): Buffer {
  return Buffer.alloc(levels, 0x91)
}

const MESSAGES: Record<string, Buffer> = {
  'brackets without end': Buffer.alloc(500_000, '['),
  'a hundred thousand wrong fields': Buffer.from(
    JSON.stringify({
      type: 'request',
      id: 1,
      request: {
        op: 'watch',
        kinds: Array.from({ length: 60_000 }, () => null),
        ...Object.fromEntries(Array.from({ length: 30_000 }, (_, index) => [`k${index}`, null])),
      },
    }),
  ),
  'messages nested without end': deep(100_000),
  'lengths of gigabytes': Buffer.from('ddffffffff', 'hex'),
  'a map whose key is an integer of a megabyte': Buffer.concat([
    Buffer.from('81c9000f000042', 'hex'),
    Buffer.alloc(0xf0000, 0x7b),
    Buffer.from('01', 'hex'),
  ]),
  'a hundred thousand wrong parameters': encodeValue({
    type: 'request',
    id: 1,
    request: {
      op: 'run',
      program: 'mixer',
      steps: 1,
      tracker: 'auto',
      parameters: Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`k${index}`, null])),
    },
  }),
  'a million empty maps': Buffer.concat([Buffer.from('dd000f4240', 'hex'), Buffer.alloc(1_000_000, 0x80)]),
  'a type that there is not': encodeValue({ type: 'surprise' }),
  'a number': encodeValue(7),
}

const EVENTS = '/api/v1/events'

describe.each([
  ['/agent', 'binary'],
  [EVENTS, 'text'],
] as const)('%s', (path, opcode) => {
  test(`messages that are none: ${Object.keys(MESSAGES).join(', ')}`, () =>
    survives(async () => {
      const crowds = Object.values(MESSAGES).map((message) =>
        crowd((attacker) => attacker.send(frame(message, { opcode })), { path, size: 10 }),
      )
      const attackers = (await Promise.all(crowds)).flat()
      await Promise.all(attackers.map(({ closed }) => closed))
    }))

  test('a million messages, pings and empty fragments', () =>
    survives(async () => {
      const floods = [
        frame(
          opcode === 'text'
            ? Buffer.from(
                JSON.stringify({ type: 'request', id: 1, request: { op: 'unfollow', workload: 'job' } }),
              )
            : encodeValue({ type: 'request', id: 1, request: { op: 'hosts' } }),
          { opcode },
        ),
        frame(Buffer.alloc(100), { opcode: 'ping' }),
        frame(Buffer.alloc(0), { opcode: 'continuation', fin: false }),
      ]
      let isEnough = false
      const attackers = await Promise.all(floods.map(() => Attacker.upgraded({ port }, path)))
      const under = attackers.map((attacker, index) =>
        attacker.flood(floods[index] as Buffer, 1_000_000, () => isEnough),
      )
      await job.goesOn()
      for (let times = 0; times < 20; times++) await isAnswered()
      isEnough = true
      for (const attacker of attackers) attacker.end()
      await Promise.all(under)
    }))
})

test('heads without end, garbage, TLS where none is spoken, and requests that are no WebSockets', () =>
  survives(async () => {
    const bytes = [
      Buffer.from(`GET ${EVENTS} HTTP/1.1\r\n${`x: ${'y'.repeat(200)}\r\n`.repeat(100)}\r\n`),
      Buffer.alloc(10_000, 0xa7),
      Buffer.from('16030100c8010000c403030000', 'hex'),
      Buffer.from('GET / HTTP/1.1\r\nHost: h\r\n\r\n'.repeat(50)),
      Buffer.from(
        'POST /api/v1/workloads HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n',
      ),
      upgrade(EVENTS, ['Sec-WebSocket-Version: 99']),
      upgrade(`/${'p'.repeat(7000)}`).subarray(0, 5000),
    ]
    let times = 0
    const attackers = await crowd((attacker) => {
      times += 1
      attacker.send(bytes[times % bytes.length] as Buffer)
    })
    await Promise.all(attackers.map(({ closed }) => closed))
  }))

test('a hundred that say nothing, and a hundred that are slow, before and after the handshake', () =>
  survives(async () => {
    const silent = await crowd(() => {})
    // No hello ever comes, and half a frame.
    const mute = await crowd((attacker) => attacker.send(Buffer.of(0x82)), { path: '/agent' })
    const slow = await crowd((attacker) => attacker.send(upgrade('/agent').subarray(0, 20)))
    await Promise.all([...silent, ...mute, ...slow].map(({ closed }) => closed))
  }))

test('an agent that speaks for the workers of another host changes nothing', () =>
  survives(async () => {
    const { launch } = cluster.worker('a', 'job')
    const { workerId } = launch
    const said: ToAgent[] = []
    let over: (error: GodwitError | undefined) => void
    const closed = new Promise<GodwitError | undefined>((resolve) => {
      over = resolve
    })
    const channel = new Channel<ToAgent, FromAgent>(await dial(`${cluster.url}/agent`), toAgent, {
      message: (message) => said.push(message),
      closed: (error) => over(error),
    })
    const output = { step: job.outputs.length + 1, epoch: 1, loss: 666, stepMs: 1 }
    const lies: FromAgent[] = [
      {
        type: 'register',
        versions: { min: 1, max: 1 },
        name: 'z',
        address: '127.0.0.1',
        faultDomain: 'z',
        memoryBytes: 2 ** 40,
        cores: 999,
        workers: [workerId],
        checkpoints: ['job'],
      },
      {
        type: 'fromWorker',
        workerId,
        message: { type: 'outputs', outputs: [output, { ...output, epoch: 99 }] },
      },
      { type: 'fromWorker', workerId, message: { type: 'claim', migrationId: 'm', fromStep: 0 } },
      {
        type: 'fromWorker',
        workerId,
        message: { type: 'recover', migrationId: 'm', error: { kind: 'cancelled', message: '' } },
      },
      {
        type: 'fromWorker',
        workerId,
        message: { type: 'ended', epoch: 1, steps: 1, stateDigest: 'a'.repeat(64) },
      },
      { type: 'fromWorker', workerId, message: { type: 'failed', error: { kind: 'internal', message: '' } } },
      { type: 'workerExited', workerId },
      { type: 'linkProbed', probeId: 'p', error: { kind: 'internal', message: '' } },
      { type: 'probeOpened', probeId: 'p', port: 1 },
      { type: 'hostChecked', probeId: 'p', host: { node: 'v20.19.0', arch: 'x64', freeMemoryBytes: 1 } },
    ]
    for (const lie of lies) channel.send(lie)
    await job.goesOn()
    expect(job.outputs.some(({ loss, epoch }) => loss === 666 || epoch !== 1)).toBe(false)
    // One that takes the name of a host which is connected is refused; and a second registration ends the connection.
    channel.send(lies[0] as FromAgent)
    expect(await closed).toMatchObject({ message: expect.stringContaining('out-of-order') })
    expect(said.map(({ type }) => type)).toContain('registered')
  }))

test('who takes the name of a host that is connected is refused', () =>
  survives(async () => {
    let refused: (message: ToAgent) => void
    const answer = new Promise<ToAgent>((resolve) => {
      refused = resolve
    })
    const channel = new Channel<ToAgent, FromAgent>(await dial(`${cluster.url}/agent`), toAgent, {
      message: (message) => refused(message),
      closed: () => {},
    })
    channel.send({
      type: 'register',
      versions: { min: 1, max: 1 },
      name: 'a',
      address: '127.0.0.1',
      faultDomain: 'z',
      memoryBytes: 1,
      cores: 1,
      workers: [],
      checkpoints: [],
    })
    expect(await answer).toMatchObject({ type: 'refused', error: { kind: 'host-name-taken' } })
    channel.close()
  }))

test('a client that asks and never reads is given up', () =>
  survives(async () => {
    const attacker = await Attacker.upgraded({ port }, EVENTS)
    attacker.stopReading()
    let isEnough = false
    const under = attacker.flood(
      frame(
        Buffer.from(
          JSON.stringify({ type: 'request', id: 1, request: { op: 'follow', workload: 'job', fromStep: 0 } }),
        ),
        { opcode: 'text' },
      ),
      20_000,
      () => isEnough,
    )
    await job.goesOn()
    isEnough = true
    attacker.end()
    await under
  }))
