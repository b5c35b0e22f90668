/**
 * What the link can do: a raw TCP socket between two fresh processes on the same two ends as the workers', measured in
 * the same run as what stands beside it, because a machine is not the same machine from one minute to the next.
 *
 * As in a migration the source's end listens and sends. It sends messages, an 8-byte length and as many bytes; the other
 * end answers each with one byte when all of it is there. So an empty message takes a round trip, and the floor under a
 * downtime is the time of one message of the bytes that a step dirties: a round trip and the bytes.
 *
 * As a process: `raw-tcp.ts send HOST BYTES` or `raw-tcp.ts receive HOST PORT`.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { RigPlace } from '@godwit/testkit'
import { Child, leashed, say } from './child.ts'
import { median } from './figures.ts'

const SELF = fileURLToPath(import.meta.url)
const WRITE_BYTES = 256 * 1024
const BULK_MESSAGE_BYTES = 2 * 1024 * 1024
const HEADER_BYTES = 8
const ROUND_TRIPS = 20
/** Long links take longer to come up to speed: so many round trips, and never less than the least. */
const BULK_ROUND_TRIPS = 50
const MIN_BULK_MS = 300
/** The floor is taken again until both are reached, or the most. */
const FLOOR_BUDGET_MS = 400
const MAX_FLOORS = 15

export interface LinkFigures {
  readonly roundTripMs: number
  readonly rawTcpBytesPerSecond: number
  /** One round trip and the bytes asked for. */
  readonly floorMs: number
}

/** Measures from `source` to `target`. */
export async function measureLink(source: RigPlace, target: RigPlace, bytes: number): Promise<LinkFigures> {
  const sender = new Child(source, SELF, ['send', source.host, String(bytes)])
  let receiver: Child | undefined
  try {
    const { port } = (await sender.next()).value
    receiver = new Child(target, SELF, ['receive', source.host, String(port)])
    return (await sender.next()).value as unknown as LinkFigures
  } finally {
    await Promise.all([sender.kill(), receiver?.kill()])
  }
}

class Sender {
  readonly #socket: Socket
  readonly #chunk = Buffer.alloc(WRITE_BYTES, 7)
  #unanswered = 0
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    this.#socket = socket.setNoDelay()
    socket.on('data', (answers) => {
      this.#unanswered -= answers.length
      this.#wake()
    })
  }

  async send(bytes: number): Promise<void> {
    const header = Buffer.alloc(HEADER_BYTES)
    header.writeDoubleLE(bytes)
    this.#unanswered += 1
    this.#socket.write(header)
    for (let left = bytes; left > 0; left -= WRITE_BYTES) {
      const taken = this.#socket.write(this.#chunk.subarray(0, Math.min(left, WRITE_BYTES)))
      if (!taken) await once(this.#socket, 'drain')
    }
  }

  async answered(): Promise<void> {
    while (this.#unanswered > 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async timeMs(bytes: number): Promise<number> {
    const beganMs = performance.now()
    await this.send(bytes)
    await this.answered()
    return performance.now() - beganMs
  }
}

async function send(host: string, bytes: number): Promise<void> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  say({ port: (server.address() as { port: number }).port })
  const [socket] = (await once(server, 'connection')) as [Socket]
  const sender = new Sender(socket)
  const roundTrips: number[] = []
  for (let nth = 0; nth < ROUND_TRIPS; nth++) roundTrips.push(await sender.timeMs(0))
  const roundTripMs = median(roundTrips)
  const rawTcpBytesPerSecond = await bulk(sender, roundTripMs)
  const floors: number[] = []
  for (let spentMs = 0; spentMs < FLOOR_BUDGET_MS && floors.length < MAX_FLOORS; ) {
    const timeMs = await sender.timeMs(bytes)
    floors.push(timeMs)
    spentMs += timeMs
  }
  say({ roundTripMs, rawTcpBytesPerSecond, floorMs: median(floors) })
}

/** Bytes a second of messages sent one after another without waiting, once the link has come up to speed. */
async function bulk(sender: Sender, roundTripMs: number): Promise<number> {
  const lastsMs = Math.max(MIN_BULK_MS, BULK_ROUND_TRIPS * roundTripMs)
  for (const beganMs = performance.now(); performance.now() - beganMs < lastsMs / 4; )
    await sender.send(BULK_MESSAGE_BYTES)
  await sender.answered()
  const beganMs = performance.now()
  let bytes = 0
  while (performance.now() - beganMs < lastsMs) {
    await sender.send(BULK_MESSAGE_BYTES)
    bytes += BULK_MESSAGE_BYTES
  }
  await sender.answered()
  return (bytes / (performance.now() - beganMs - roundTripMs)) * 1000
}

function receive(host: string, port: number): void {
  const socket = connect(port, host).setNoDelay()
  const header = Buffer.alloc(HEADER_BYTES)
  let headerBytes = 0
  let left = 0
  const answerIfWhole = (): void => {
    if (headerBytes < HEADER_BYTES || left > 0) return
    headerBytes = 0
    socket.write('k')
  }
  socket.on('data', (data) => {
    for (let at = 0; at < data.length; ) {
      if (headerBytes < HEADER_BYTES) {
        const taken = data.copy(header, headerBytes, at, at + HEADER_BYTES - headerBytes)
        headerBytes += taken
        at += taken
        if (headerBytes === HEADER_BYTES) left = header.readDoubleLE()
      } else {
        const taken = Math.min(left, data.length - at)
        left -= taken
        at += taken
      }
      answerIfWhole()
    }
  })
}

if (process.argv[1] === SELF) {
  const [role, host, number] = process.argv.slice(2) as [string, string, string]
  leashed()
  if (role === 'send') await send(host, Number(number))
  else receive(host, Number(number))
}
