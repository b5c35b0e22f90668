/**
 * What the link between two hosts carries, measured by their agents: as a migration would, and before there is one.
 *
 * The agent of the source listens on one of the ports that its workers use and sends frames of pages, with checksums and all; the
 * agent of the target dials, checks and copies them, since on a fast link that is what the time goes to. A few round trips
 * come first. The target measures, and ends it after a moment: on a slow link little has come by then, and that is enough.
 *
 * Whoever doesn't know the secret is hung up on, and it is good once. In a secured cluster both speak TLS and are who the coordinator
 * said: it is the migration's link that is measured. Each end has an end of its own: the bytes, the time, the
 * other's leaving.
 */
import { timingSafeEqual } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type DialSecurity,
  dialBulk,
  type Listener,
  listen,
  type Peer,
  type WebSocket,
} from '@godwit/channel'
import {
  decodeFrame,
  encodePagesFrame,
  type FromAgent,
  GodwitError,
  LIMITS,
  type LinkMeasure,
  MAX_FRAME_BYTES,
  MIN_PROTOCOL_VERSION,
  PAGE_BYTES,
  type ToAgent,
  toErrorReport,
} from '@godwit/protocol'
import { hostSecurity, type Membership, whyNotHost } from '@godwit/trust'
import type { SharedBandwidth } from './bandwidth.ts'

type Order<Type extends ToAgent['type']> = Extract<ToAgent, { type: Type }>

export interface LinkProbesOptions {
  readonly listenHost: string
  readonly portRange: readonly [number, number]
  readonly bandwidth: SharedBandwidth
  /** Who this host is in a secured cluster; undefined where it is not. Throws what is wrong with the credentials. */
  membership(): Membership | undefined
  answer(message: FromAgent): void
}

/** What the target says after the secret: send this back, or send frames. */
const WORD = { echo: 1, go: 2 } as const
const ROUND_TRIPS = 8
/** A peer that asks for more, or for longer ones, wants our memory: it need not read them. */
const MAX_ECHOES = 2 * ROUND_TRIPS
/** Pages that are sent, over and over. */
const IMAGE_PAGES = 1024
/** The first frames are small, so that a slow link is measured as well. */
const SMALL_FRAMES = 8
/** Strangers that have not been turned away yet, besides the one who may come. */
const MAX_CONNECTIONS = 8
/** The share of the bytes before which code, buffers and the network warm up. */
const WARM_UP_SHARE = 0.25

export class LinkProbes {
  readonly #options: LinkProbesOptions

  constructor(options: LinkProbesOptions) {
    this.#options = options
  }

  /** Answered by `probeOpened`. */
  open(order: Order<'openProbe'>): void {
    const { answer } = this.#options
    const { probeId } = order
    this.#listen(order).then(
      (port) => answer({ type: 'probeOpened', probeId, port }),
      (error: unknown) => answer({ type: 'probeOpened', probeId, error: toErrorReport(error) }),
    )
  }

  /** Answered by `linkProbed`. */
  dial({ probeId, from, host, port, secret, version = MIN_PROTOCOL_VERSION }: Order<'dialProbe'>): void {
    const { answer } = this.#options
    const measured = async (): Promise<LinkMeasure> => {
      const member = this.#options.membership()
      return measureLink({ host, port, secret, version, security: member && hostSecurity(member, from) })
    }
    measured().then(
      (link) => answer({ type: 'linkProbed', probeId, link }),
      (error: unknown) => answer({ type: 'linkProbed', probeId, error: toErrorReport(error) }),
    )
  }

  async #listen({
    probeId,
    secret,
    to,
    version = MIN_PROTOCOL_VERSION,
  }: Order<'openProbe'>): Promise<number> {
    const { listenHost, portRange, bandwidth } = this.#options
    const member = this.#options.membership()
    const [first, last] = portRange
    let isTaken = false
    const listener: Listener = await listen({
      at: { host: listenHost, ports: Array.from({ length: last - first + 1 }, (_, index) => first + index) },
      maxConnections: MAX_CONNECTIONS,
      ...(member && {
        credentials: member.credentials,
        admit: (peer: Peer) => whyNotHost(member, to, peer),
      }),
      connected: (socket) => {
        socket.once('message', (data: Buffer) => {
          if (isTaken || !sameSecret(data, secret)) {
            socket.terminate()
            return
          }
          isTaken = true
          clearTimeout(timer)
          timer = setTimeout(end, LIMITS.linkProbeTimeoutMs)
          serve(socket, version, () => bandwidth.lend(probeId))
          socket.once('close', end)
        })
      },
    })
    const end = (): void => {
      clearTimeout(timer)
      bandwidth.gone(probeId)
      void listener.close()
    }
    // The port is for one who comes at once: others may be waiting for it.
    let timer = setTimeout(end, LIMITS.helloTimeoutMs)
    return listener.port
  }
}

function serve(socket: WebSocket, version: number, lend: () => number | undefined): void {
  let echoes = 0
  socket.on('message', (data: Buffer) => {
    const isWord = data.length === 1
    if (isWord && data[0] === WORD.echo && echoes < MAX_ECHOES) {
      echoes += 1
      socket.send(data)
    } else if (!isWord || data[0] !== WORD.go) socket.terminate()
    else {
      socket.removeAllListeners('message')
      const isOpen = (): boolean => socket.readyState === socket.OPEN
      // The target closes: it knows when it has seen enough, and a bulk stream has no word for an end.
      void burst((frame) => send(socket, frame), { version, isOpen, bytesPerSecond: lend() })
    }
  })
}

async function burst(
  send: (frame: Buffer) => Promise<void>,
  {
    version,
    isOpen,
    bytesPerSecond,
  }: { version: number; isOpen: () => boolean; bytesPerSecond: number | undefined },
): Promise<void> {
  const image = imageOfNumbers()
  const into = Buffer.alloc(MAX_FRAME_BYTES)
  const beganMs = performance.now()
  for (let sequence = 0, bytes = 0; bytes < LIMITS.linkProbeBytes && isOpen(); sequence++) {
    const pageCount = sequence < SMALL_FRAMES ? LIMITS.slowFramePages : LIMITS.maxFramePages
    const firstPage = (sequence * LIMITS.maxFramePages) % (IMAGE_PAGES - pageCount)
    const runs = [{ firstPage, pageCount, encoding: 'raw' as const }]
    const header = { version, stream: 0, round: 0, sequence }
    const frame = encodePagesFrame(into, header, { runs, image })
    bytes += frame.length
    await send(frame)
    if (bytesPerSecond === undefined) continue
    const dueMs = beganMs + (1000 * bytes) / bytesPerSecond
    if (dueMs > performance.now()) await delay(dueMs - performance.now())
  }
}

/** Resolves when the kernel has the frame, or the socket is closed: its memory may be used again. */
function send(socket: WebSocket, frame: Buffer): Promise<void> {
  return new Promise((resolve) => socket.send(frame, { binary: true, compress: false }, () => resolve()))
}

/** Errors: those of `dialBulk`, `peer-stalled`, `connection-lost`, what `decodeFrame` finds wrong. */
export async function measureLink({
  host,
  port,
  secret,
  version = MIN_PROTOCOL_VERSION,
  security,
}: {
  host: string
  port: number
  secret: string
  /** Of the frames. */
  version?: number
  security?: DialSecurity | undefined
}): Promise<LinkMeasure> {
  const arrivals: Arrival[] = []
  const memory = new Uint8Array(IMAGE_PAGES * PAGE_BYTES)
  let heard: (() => void) | undefined
  let failed: (error: unknown) => void = () => {}
  const failure = new Promise<never>((_resolve, reject) => {
    failed = reject
  })
  failure.catch(() => {})
  let isBurst = false
  const socket = await dialBulk({ host, port, path: '/probe', security }, MAX_FRAME_BYTES, {
    message: (bytes) => {
      if (isBurst) {
        const frame = decodeFrame(bytes, IMAGE_PAGES, version)
        if (frame.kind === 'pages') memory.set(frame.payload)
        const before = arrivals.at(-1)?.bytes ?? 0
        arrivals.push({ atMs: performance.now(), bytes: before + bytes.length })
      }
      heard?.()
    },
    failed,
  })
  const next = (): Promise<void> =>
    new Promise((resolve) => {
      heard = resolve
    })
  const timer = setTimeout(
    () => failed(new GodwitError('peer-stalled', `no answer from ${host}:${port} in time`)),
    LIMITS.linkProbeTimeoutMs / 2,
  )
  socket.once('close', () =>
    failed(new GodwitError('connection-lost', `${host}:${port} closed the connection`)),
  )
  try {
    socket.send(secret)
    let roundTripMs = Number.POSITIVE_INFINITY
    for (let trip = 0; trip < ROUND_TRIPS; trip++) {
      const beganMs = performance.now()
      socket.send(Buffer.of(WORD.echo))
      await Promise.race([next(), failure])
      roundTripMs = Math.min(roundTripMs, performance.now() - beganMs)
    }
    isBurst = true
    const beganMs = performance.now()
    socket.send(Buffer.of(WORD.go))
    await Promise.race([enoughOf(arrivals, next), failure]).catch((error: unknown) => {
      // The source has sent all that it sends; or the link is so slow that its first frames are all there is.
      const isEnd =
        error instanceof GodwitError && (error.kind === 'connection-lost' || error.kind === 'peer-stalled')
      if (!isEnd || arrivals.length === 0) throw error
    })
    return { bytesPerMs: rateOf([{ atMs: beganMs, bytes: 0 }, ...arrivals]), roundTripMs }
  } finally {
    clearTimeout(timer)
    socket.terminate()
  }
}

interface Arrival {
  readonly atMs: number
  /** Of all frames up to this one. */
  readonly bytes: number
}

async function enoughOf(arrivals: readonly Arrival[], next: () => Promise<void>): Promise<void> {
  for (;;) {
    await next()
    const [first, last] = [arrivals[0], arrivals.at(-1)]
    if (first === undefined || last === undefined || arrivals.length === 1) continue
    if (last.bytes >= LIMITS.linkProbeBytes || last.atMs - first.atMs >= LIMITS.linkProbeMs) return
  }
}

/** Bytes a millisecond, without the first of them. At least two arrivals, the first of nothing. */
export function rateOf(arrivals: readonly Arrival[]): number {
  const last = arrivals.at(-1) as Arrival
  const from = arrivals.find(({ bytes }) => bytes >= WARM_UP_SHARE * last.bytes) as Arrival
  const since = from === last ? (arrivals[0] as Arrival) : from
  return (last.bytes - since.bytes) / Math.max(0.001, last.atMs - since.atMs)
}

/** Nothing that is zero, or that repeats soon. */
function imageOfNumbers(): Buffer {
  const words = Uint32Array.from({ length: (IMAGE_PAGES * PAGE_BYTES) / 4 }, (_, index) =>
    Math.imul(index + 1, 2654435761),
  )
  return Buffer.from(words.buffer)
}

function sameSecret(given: Buffer, expected: string): boolean {
  return given.length === expected.length && timingSafeEqual(given, Buffer.from(expected))
}
