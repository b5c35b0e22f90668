/**
 * Goal: a link is measured by whoever knows the secret, once, and within the host's bandwidth; everything else is an answer that says why.
 * Method: both ends in this process, on loopback.
 */
import { once } from 'node:events'
import { dial } from '@godwit/channel'
import type { FromAgent } from '@godwit/protocol'
import { LIMITS } from '@godwit/protocol'
import { hostSecurity, type Membership, membershipOf } from '@godwit/trust'
import { expect, test } from 'vitest'
import { SharedBandwidth } from './bandwidth.ts'
import { LinkProbes, measureLink, rateOf } from './link-probe.ts'
import { hostCredentials, testAuthority } from './support/members.ts'

const secret = 'ab'.repeat(32)
const host = '127.0.0.1'

function probes(maxBandwidth?: number, membership?: Membership) {
  const answers: FromAgent[] = []
  let heard: () => void = () => {}
  const ends = new LinkProbes({
    listenHost: host,
    portRange: [0, 0],
    bandwidth: new SharedBandwidth(maxBandwidth, () => {}),
    membership: () => membership,
    answer: (message) => {
      answers.push(message)
      heard()
    },
  })
  const answer = async (): Promise<FromAgent> => {
    while (answers.length === 0)
      await new Promise<void>((resolve) => {
        heard = resolve
      })
    return answers.shift() as FromAgent
  }
  return { ends, answer }
}

async function opened(maxBandwidth?: number, membership?: Membership) {
  const { ends, answer } = probes(maxBandwidth, membership)
  ends.open({ type: 'openProbe', probeId: 'p', to: 'b', secret })
  const { port = 0 } = (await answer()) as Extract<FromAgent, { type: 'probeOpened' }>
  return { ends, answer, port }
}

test('a link is measured', async () => {
  const { ends, answer, port } = await opened()
  ends.dial({ type: 'dialProbe', probeId: 'p', from: 'a', host, port, secret })
  const said = (await answer()) as Extract<FromAgent, { type: 'linkProbed' }>
  expect(said.error).toBeUndefined()
  expect(said.link?.bytesPerMs).toBeGreaterThan(0)
  expect(said.link?.roundTripMs).toBeGreaterThan(0)
  await expect(measureLink({ host, port, secret }), 'the secret is good once').rejects.toThrow()
})

test('its frames are of the version that both are told, and of 1 where none is', async () => {
  for (const version of [undefined, 1, 2]) {
    const { ends, answer } = probes()
    const said = version === undefined ? {} : { version }
    ends.open({ type: 'openProbe', probeId: 'p', to: 'b', secret, ...said })
    const { port = 0 } = (await answer()) as Extract<FromAgent, { type: 'probeOpened' }>
    const other = version === 2 ? 1 : 2
    const wrong = measureLink({ host, port, secret, version: other })
    await expect(wrong).rejects.toMatchObject({ kind: 'protocol-version' })
    ends.open({ type: 'openProbe', probeId: 'p', to: 'b', secret, ...said })
    const again = (await answer()) as Extract<FromAgent, { type: 'probeOpened' }>
    ends.dial({ type: 'dialProbe', probeId: 'p', from: 'a', host, port: again.port ?? 0, secret, ...said })
    expect(await answer()).toMatchObject({ type: 'linkProbed', link: expect.anything() })
  }
})

test('within the bandwidth of the host, which the measure shows', async () => {
  const { port } = await opened(4_000_000)
  const { bytesPerMs } = await measureLink({ host, port, secret })
  expect(bytesPerMs).toBeLessThan(4_000_000 / 1000 / 0.7)
})

test('whoever does not know the secret is turned away, and disturbs nobody', async () => {
  const { port } = await opened()
  await expect(measureLink({ host, port, secret: 'cd'.repeat(32) })).rejects.toThrow(/closed the connection/)
  const stranger = await dial(`ws://${host}:${port}/probe`)
  stranger.resume()
  const { bytesPerMs } = await measureLink({ host, port, secret })
  expect(bytesPerMs).toBeGreaterThan(0)
  stranger.terminate()
})

test.each([
  [
    'more echoes than a measure has',
    (send: (bytes: Buffer) => void) => {
      for (let times = 0; times < 17; times++) send(Buffer.of(1))
    },
  ],
  ['an echo of a megabyte', (send: (bytes: Buffer) => void) => send(Buffer.alloc(2 ** 20, 1))],
  ['a word that there is not', (send: (bytes: Buffer) => void) => send(Buffer.of(3))],
])('whoever knows the secret and asks for %s is hung up on', async (_, ask) => {
  const { port } = await opened()
  const socket = await dial(`ws://${host}:${port}/probe`)
  const closed = once(socket, 'close')
  let echoed = 0
  socket.on('message', (data: Buffer) => {
    echoed += data.length
  })
  socket.resume()
  socket.send(secret)
  ask((bytes) => socket.send(bytes))
  await closed
  expect(echoed).toBeLessThanOrEqual(16)
})

test('in a secured cluster the two hosts measure it, and no third one with the secret does', async () => {
  const authority = await testAuthority()
  const member = async (name: string) => membershipOf(await hostCredentials(authority, name))
  const [a, b, c] = [await member('a'), await member('b'), await member('c')]
  const { port } = await opened(undefined, a)
  const at = { host, port, secret }
  for (const security of [hostSecurity(c, 'a'), hostSecurity(b, 'c')])
    await expect(measureLink({ ...at, security })).rejects.toMatchObject({ kind: 'wrong-peer' })
  await expect(measureLink(at)).rejects.toMatchObject({ kind: 'unreachable' })
  const target = probes(undefined, b)
  target.ends.dial({ type: 'dialProbe', probeId: 'p', from: 'a', ...at })
  const said = (await target.answer()) as Extract<FromAgent, { type: 'linkProbed' }>
  expect(said.error).toBeUndefined()
  expect(said.link?.bytesPerMs).toBeGreaterThan(0)
})

test('a port on which nobody listens is told', async () => {
  const { ends, answer } = probes()
  ends.dial({ type: 'dialProbe', probeId: 'p', from: 'a', host, port: 1, secret })
  expect(await answer()).toMatchObject({ type: 'linkProbed', probeId: 'p', error: { kind: 'unreachable' } })
})

test('the rate leaves out the first quarter, unless there is nothing else', () => {
  const at = (atMs: number, bytes: number) => ({ atMs, bytes })
  expect(rateOf([at(0, 0), at(100, 25), at(110, 50), at(120, 100)])).toBeCloseTo(75 / 20, 9)
  expect(rateOf([at(0, 0), at(100, 50)])).toBe(0.5)
  expect(LIMITS.linkProbeMs).toBeLessThan(LIMITS.linkProbeTimeoutMs / 2)
})
