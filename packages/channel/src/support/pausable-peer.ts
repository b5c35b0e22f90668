/** A peer for the channel's tests that can be stopped: dials the address it is given, and prints what it hears and how it ends. */
import { type ToWorker, toWorker } from '@godwit/protocol'
import { Channel, dial } from '../index.ts'

const [address, heartbeatIntervalMs, heartbeatTimeoutMs] = process.argv.slice(2)
const socket = await dial(address as string)
const channel = new Channel<ToWorker, { value: number }>(
  socket,
  toWorker,
  {
    message: (message) => console.log('heard', 'step' in message ? message.step : message.type),
    closed: (error) => console.log(`closed ${error?.kind}`),
  },
  { heartbeatIntervalMs: Number(heartbeatIntervalMs), heartbeatTimeoutMs: Number(heartbeatTimeoutMs) },
)
channel.send({ value: 1 })
