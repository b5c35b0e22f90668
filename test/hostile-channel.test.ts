/**
 * Goal: a peer that keeps no rule is cut off with bounded memory, and whoever else is connected is served meanwhile.
 * Method: a listener in this process and connections written by hand. What the coordinator, a worker's door and an agent make of it is in
 * the other hostile*.test.ts.
 */
import {
  Channel,
  type ChannelOptions,
  dial,
  type Listener,
  type ListenOptions,
  listen,
} from '@godwit/channel'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { Attacker, frame, upgrade } from './support/attacker.ts'

const listeners: Listener[] = []
const attackers: Attacker[] = []
afterEach(async () => {
  for (const attacker of attackers.splice(0)) attacker.end()
  await Promise.all(listeners.splice(0).map((listener) => listener.close()))
})

interface Server {
  readonly port: number
  readonly heard: number[]
  /** Why the first connection was ended. */
  readonly over: Promise<GodwitError | undefined>
}

async function serve(options: ChannelOptions = {}, more: Partial<ListenOptions> = {}): Promise<Server> {
  const heard: number[] = []
  let ended: (error: GodwitError | undefined) => void
  const over = new Promise<GodwitError | undefined>((resolve) => {
    ended = resolve
  })
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    ...more,
    connected: (socket) => {
      const channel = new Channel<{ value: number }, { value: number }>(
        socket,
        z.strictObject({ value: z.number() }),
        {
          message: ({ value }) => {
            heard.push(value)
            channel.send({ value })
          },
          closed: (error) => ended(error),
        },
        options,
      )
    },
  })
  listeners.push(listener)
  return { port: listener.port, heard, over }
}

async function attack(server: Server): Promise<Attacker> {
  const attacker = await Attacker.upgraded(server, '/x')
  attackers.push(attacker)
  return attacker
}

/** Somebody who keeps the rules is answered. */
async function isServed({ port }: Server): Promise<void> {
  const socket = await dial(`ws://127.0.0.1:${port}/x`)
  let over: () => void
  const answered = new Promise<void>((resolve) => {
    over = resolve
  })
  const channel = new Channel<{ value: number }, { value: number }>(
    socket,
    z.strictObject({ value: z.number() }),
    { message: () => over(), closed: () => {} },
  )
  channel.send({ value: 1 })
  await answered
  channel.close()
}

test('a peer that pings and never reads is given up before its answers fill our memory', async () => {
  const server = await serve({ messagesPerSecond: 1e9 })
  const attacker = await attack(server)
  attacker.stopReading()
  const before = process.memoryUsage.rss()
  const flood = attacker.flood(frame(Buffer.alloc(125), { opcode: 'ping' }), 1_000_000)
  expect(await server.over).toMatchObject({ kind: 'peer-stalled' })
  expect(process.memoryUsage.rss() - before).toBeLessThan(400 * 2 ** 20)
  await flood
  await isServed(server)
})

test('a ping is answered with what it carries', async () => {
  const server = await serve()
  const attacker = await attack(server)
  const answered = new Promise<void>((resolve) => {
    attacker.socket.on('data', (data: Buffer) => {
      if (data.includes('seven77')) resolve()
    })
  })
  attacker.send(frame(Buffer.from('seven77'), { opcode: 'ping' }))
  await answered
})

test('a million messages are read at the pace that there is, while others are served', async () => {
  const server = await serve({ messagesPerSecond: 1000 })
  const attacker = await attack(server)
  let isServedNow = false
  const flood = attacker.flood(frame(Buffer.from('81a576616c756501', 'hex')), 1_000_000, () => isServedNow)
  for (let times = 0; times < 5; times++) await isServed(server)
  isServedNow = true
  attacker.end()
  const sent = await flood
  // A second's worth at once, and a thousand in each second that has passed: far fewer than were offered, all in our kernel's buffers.
  expect(server.heard.length).toBeLessThan(sent)
})

test.each<[string, (attacker: Attacker) => unknown]>([
  [
    'a message of ever more empty fragments',
    (attacker) => {
      attacker.send(frame(Buffer.alloc(0), { fin: false }))
      return attacker.flood(frame(Buffer.alloc(0), { opcode: 'continuation', fin: false }), 1_000_000)
    },
  ],
  [
    'a message in fragments of a byte',
    (attacker) => {
      attacker.send(frame(Buffer.alloc(1), { fin: false }))
      return attacker.flood(frame(Buffer.alloc(1), { opcode: 'continuation', fin: false }), 1_000_000)
    },
  ],
  [
    'a message that says it is 2^62 bytes',
    (attacker) => attacker.send(frame(Buffer.alloc(0), { length: 2n ** 62n })),
  ],
  [
    'a message a byte too long',
    (attacker) =>
      attacker.send(frame(Buffer.alloc(0), { length: BigInt(LIMITS.maxControlMessageBytes) + 1n })),
  ],
  [
    'a compressed message, which nobody has agreed to',
    (attacker) => attacker.send(frame(Buffer.alloc(1000, 0x78), { rsv1: true })),
  ],
  [
    'a ping of more than a control frame may carry',
    (attacker) => attacker.send(frame(Buffer.alloc(200), { opcode: 'ping' })),
  ],
  ['text', (attacker) => attacker.send(frame(Buffer.from('hello'), { opcode: 'text' }))],
  ['random bytes', (attacker) => attacker.send(Buffer.alloc(5000, 0xa7))],
])('%s ends its connection, and no other one', async (_, act) => {
  const server = await serve()
  const attacker = await attack(server)
  await act(attacker)
  expect(await server.over).toBeInstanceOf(GodwitError)
  await attacker.closed
  await isServed(server)
  expect(server.heard).toEqual([1])
})

test('compression is not agreed to', async () => {
  const server = await serve()
  const attacker = await Attacker.connect(server)
  attackers.push(attacker)
  attacker.send(upgrade('/x', ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits']))
  while (!attacker.said.includes('\r\n\r\n'))
    await new Promise((resolve) => attacker.socket.once('data', resolve))
  expect(attacker.said).toMatch(/^HTTP\/1.1 101 /)
  expect(attacker.said.toLowerCase()).not.toContain('extensions')
})

test('a head of more bytes than there may be is refused before it ends', async () => {
  const server = await serve()
  const attacker = await Attacker.connect(server)
  attackers.push(attacker)
  attacker.send(Buffer.from('GET /x HTTP/1.1\r\n'))
  await attacker.flood(Buffer.from(`x-${'y'.repeat(100)}: ${'z'.repeat(100)}\r\n`), 1_000_000)
  await attacker.closed
  // What was still on its way to us when we were cut off may be lost.
  expect(['', 'HTTP/1.1 431']).toContain(attacker.said.slice(0, 12))
  await isServed(server)
})

test('of many requests that are no WebSockets one is answered', async () => {
  const server = await serve()
  const attacker = await Attacker.connect(server)
  attackers.push(attacker)
  await attacker.flood(Buffer.from('GET / HTTP/1.1\r\nHost: h\r\n\r\n'), 100_000)
  await attacker.closed
  expect(attacker.said.split('HTTP/1.1 ').length - 1).toBeLessThanOrEqual(1)
  await isServed(server)
})

test('connections beyond their number are closed unheard, and there is room again once others have left', async () => {
  const server = await serve({}, { maxConnections: 3 })
  const three = [await attack(server), await attack(server), await attack(server)]
  const fourth = await Attacker.connect(server)
  await fourth.closed
  expect(fourth.said).toBe('')
  for (const attacker of three) attacker.end()
  await server.over
  await isServed(server)
})

test('strangers beyond their number are closed unheard, and who was let in is none', async () => {
  const server = await serve({}, { maxStrangers: 2 })
  const [known, other] = [await attack(server), await attack(server)]
  expect([known.isClosed, other.isClosed]).toEqual([false, false])
  const silent = [await Attacker.connect(server), await Attacker.connect(server)]
  attackers.push(...silent)
  const third = await Attacker.connect(server)
  await third.closed
  expect(silent.some(({ isClosed }) => isClosed)).toBe(false)
  for (const attacker of silent) attacker.end()
})

// Each waits for a time limit of the protocol: all at once.
test('who says nothing, or one byte after the other, is cut off; who was let in is not', {
  timeout: 60_000,
}, async () => {
  const server = await serve()
  const known = await dial(`ws://127.0.0.1:${server.port}/x`)
  known.resume()
  const slow = [
    await Attacker.connect(server),
    await Attacker.connect(server),
    await Attacker.connect(server),
  ]
  attackers.push(...slow)
  const [silent, trickling, hello] = slow as [Attacker, Attacker, Attacker]
  const trickle = async (attacker: Attacker, bytes: Buffer): Promise<void> => {
    for (let at = 0; !attacker.isClosed; at++) {
      attacker.send(bytes.subarray(at % bytes.length, (at % bytes.length) + 1))
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 100)), attacker.closed])
    }
  }
  // A TLS hello where none is expected, and a head that never ends.
  const slowly = [
    trickle(trickling, upgrade('/x', [`x: ${'y'.repeat(2000)}`]).subarray(0, 2000)),
    trickle(hello, Buffer.from('GET /x HTTP/1.1\r\nx: y')),
  ]
  await Promise.all([silent.closed, trickling.closed, hello.closed, ...slowly])
  expect(known.readyState).toBe(known.OPEN)
  known.terminate()
})
