import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { GodwitError, LIMITS } from '@godwit/protocol'
import type { WebSocket } from 'ws'

const PINGS = 3

/**
 * The shortest of a few round trips, in milliseconds, by pings, which a channel at the peer answers. For a socket as
 * `dial` returns it, paused, which it is again afterwards; what the peer says meanwhile is lost. Errors: `connection-lost`, also when no answer comes in time.
 */
export async function roundTripOf(socket: WebSocket): Promise<number> {
  const gone = new AbortController()
  const abort = (): void => gone.abort()
  socket.once('close', abort)
  const timer = setTimeout(abort, LIMITS.helloTimeoutMs)
  // As `dial` leaves it, it hears nothing.
  socket.resume()
  let shortestMs = Number.POSITIVE_INFINITY
  try {
    for (let ping = 0; ping < PINGS; ping++) {
      const sentMs = performance.now()
      const answered = once(socket, 'pong', { signal: gone.signal })
      socket.ping()
      await answered
      shortestMs = Math.min(shortestMs, performance.now() - sentMs)
    }
  } catch (cause) {
    throw new GodwitError('connection-lost', 'the peer did not answer a ping', { cause })
  } finally {
    socket.pause()
    clearTimeout(timer)
    socket.off('close', abort)
  }
  return shortestMs
}
