/**
 * Goal: messages arrive typed and whole; what doesn't match, silence, and closing each end the channel once, with
 * the right error. Method: two ends over a real loopback socket.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { GodwitError } from '@godwit/protocol'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { Channel, type ChannelOptions } from './channel.ts'
import { dial, type Listener, listen, type WebSocket } from './index.ts'

const schema = z.strictObject({ value: z.number() })
type Message = z.infer<typeof schema>

interface End {
  channel: Channel<Message, unknown>
  received: Message[]
  closed: Promise<GodwitError | undefined>
  closes: number
}

const listeners: Listener[] = []
afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()))
})

function end(socket: WebSocket, options?: ChannelOptions): End {
  let close: (error: GodwitError | undefined) => void
  const state: Partial<End> & { received: Message[]; closes: number } = { received: [], closes: 0 }
  state.closed = new Promise((resolve) => {
    close = resolve
  })
  state.channel = new Channel(
    socket,
    schema,
    {
      message: (message) => state.received.push(message),
      closed: (error) => {
        state.closes += 1
        close(error)
      },
    },
    options,
  )
  return state as End
}

async function pair(options?: ChannelOptions): Promise<{ server: End; client: End }> {
  let connected: (server: End) => void
  const server = new Promise<End>((resolve) => {
    connected = resolve
  })
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => connected(end(socket)),
  })
  listeners.push(listener)
  const client = end(await dial(`ws://127.0.0.1:${listener.port}/x`), options)
  return { server: await server, client }
}

test('delivers messages in order, then the close', async () => {
  const { server, client } = await pair()
  for (let value = 0; value < 100; value++) server.channel.send({ value: -0 * value })
  server.channel.close()
  expect(await client.closed).toBeUndefined()
  expect(client.received).toHaveLength(100)
  expect(Object.is(client.received[1]?.value, -0)).toBe(true)
  expect(await server.closed).toBeUndefined()
  expect([client.closes, server.closes]).toEqual([1, 1])
})

test('a message that does not match its schema ends the channel and is never delivered', async () => {
  const { server, client } = await pair()
  server.channel.send({ value: 'one' })
  expect(await client.closed).toMatchObject({
    kind: 'bad-message',
    message: expect.stringContaining('value'),
  })
  expect(await server.closed).toMatchObject({
    kind: 'connection-lost',
    message: expect.stringContaining('bad-message'),
  })
  expect(client.received).toEqual([])
})

test('bytes that are no message end the channel', async () => {
  const { client } = await pair()
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => socket.send('hello'),
  })
  listeners.push(listener)
  const second = end(await dial(`ws://127.0.0.1:${listener.port}/`))
  expect(await second.closed).toMatchObject({ kind: 'bad-message' })
  client.channel.close()
})

test('silence ends the channel: a paused peer closes nothing', async () => {
  let quiet: WebSocket | undefined
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => {
      socket.pause()
      quiet = socket
    },
  })
  listeners.push(listener)
  const client = end(await dial(`ws://127.0.0.1:${listener.port}/`), {
    heartbeatIntervalMs: 10,
    heartbeatTimeoutMs: 40,
  })
  expect(await client.closed).toMatchObject({ kind: 'peer-stalled' })
  expect(quiet).toBeDefined()
})

test('a process that was stopped for longer than its peer waited reads no order of that time', async () => {
  const heartbeats = { heartbeatIntervalMs: 100, heartbeatTimeoutMs: 1000 }
  let heard: (server: End) => void
  const ready = new Promise<End>((resolve) => {
    heard = resolve
  })
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => {
      const server = end(socket, heartbeats)
      socket.once('message', () => heard(server))
    },
  })
  listeners.push(listener)
  const peer = spawn(process.execPath, [
    ...['--import', 'tsx', fileURLToPath(new URL('./support/pausable-peer.ts', import.meta.url))],
    ...[`ws://127.0.0.1:${listener.port}/`, ...Object.values(heartbeats).map(String)],
  ])
  const said = text(peer.stdout)
  const server = await ready
  server.channel.send({ type: 'acknowledge', step: 2 })
  await once(peer.stdout, 'data')
  peer.kill('SIGSTOP')
  server.channel.send({ type: 'acknowledge', step: 3 })
  expect(await server.closed).toMatchObject({ kind: 'peer-stalled' })
  peer.kill('SIGCONT')
  expect(await said).toMatch(/^heard 2\nclosed (peer-stalled|connection-lost)\n$/)
})

test('says what is wrong with an address, a dead port and a used one', async () => {
  await expect(dial('http//nowhere')).rejects.toMatchObject({ kind: 'bad-arguments' })
  await expect(dial('ws://127.0.0.1:1/')).rejects.toMatchObject({ kind: 'unreachable' })
  const listener = await listen({ at: { host: '127.0.0.1', ports: [0] }, connected: () => {} })
  listeners.push(listener)
  const again = listen({ at: { host: '127.0.0.1', ports: [listener.port] }, connected: () => {} })
  await expect(again).rejects.toMatchObject({ kind: 'port-in-use' })
})

test('bytes that are no frames, behind a good handshake and after we let go of it, harm nobody', async () => {
  let upgraded: () => void
  const seen = new Promise<void>((resolve) => {
    upgraded = resolve
  })
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket) => {
      socket.terminate()
      socket.once('close', () => upgraded())
    },
  })
  listeners.push(listener)
  const stranger = connect(listener.port, '127.0.0.1')
  stranger.on('error', () => {})
  const handshake = [
    'GET /x HTTP/1.1',
    'Host: h',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
  ]
  stranger.write(Buffer.concat([Buffer.from(`${handshake.join('\r\n')}\r\n\r\n`), Buffer.alloc(64, 0xff)]))
  await seen
  stranger.destroy()
})
