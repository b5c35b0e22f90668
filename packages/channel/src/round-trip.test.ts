import { afterEach, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { roundTripOf } from './round-trip.ts'
import { dial, type Listener, listen } from './sockets.ts'

let listener: Listener | undefined
afterEach(() => listener?.close(0))

async function dialled(connected: (socket: WebSocket) => void): Promise<WebSocket> {
  listener = await listen({ at: { host: '127.0.0.1', ports: [0] }, connected })
  return dial(`ws://127.0.0.1:${listener.port}/`)
}

test('a round trip is measured, and the socket is as it was', async () => {
  const socket = await dialled((peer) => {
    peer.on('ping', (data) => peer.pong(data))
    peer.resume()
  })
  const ms = await roundTripOf(socket)
  expect(ms).toBeGreaterThan(0)
  expect(Number.isFinite(ms)).toBe(true)
  expect(['pong', 'close'].map((event) => socket.listenerCount(event))).toEqual([0, 0])
  socket.terminate()
})

test('a peer that closes instead of answering is an error, at once', async () => {
  const socket = await dialled((peer) => peer.terminate())
  await expect(roundTripOf(socket)).rejects.toMatchObject({ kind: 'connection-lost' })
})
