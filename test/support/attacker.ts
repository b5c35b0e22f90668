/**
 * A peer that keeps no rule: raw bytes over a socket, WebSocket frames made by hand. Nothing here is Godwit's, so that it can say what
 * Godwit's own code never would.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { connect, type Socket } from 'node:net'

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9 } as const

interface FrameOptions {
  readonly opcode?: keyof typeof OPCODE
  readonly fin?: boolean
  /** As of a message that is compressed. */
  readonly rsv1?: boolean
  /** Instead of the payload's. */
  readonly length?: bigint
}

/** A client's frame (RFC 6455, section 5.2), masked with zeros. */
export function frame(
  payload: Uint8Array,
  { opcode = 'binary', fin = true, rsv1 = false, length }: FrameOptions = {},
): Buffer {
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | OPCODE[opcode]
  const announced = length ?? BigInt(payload.length)
  let head: Buffer
  if (announced < 126n) head = Buffer.of(first, 0x80 | Number(announced))
  else if (announced < 65536n) {
    head = Buffer.of(first, 0x80 | 126, 0, 0)
    head.writeUInt16BE(Number(announced), 2)
  } else {
    head = Buffer.alloc(10)
    head.writeUInt8(first, 0)
    head.writeUInt8(0x80 | 127, 1)
    head.writeBigUInt64BE(announced, 2)
  }
  return Buffer.concat([head, Buffer.alloc(4), payload])
}

/** A server's frame: unmasked. `first` is its first byte, by default of a binary message in one piece. */
export function frameOfServer(payload: Uint8Array, first = 0x82): Buffer {
  const bytes = frame(payload)
  bytes.writeUInt8(first, 0)
  bytes.writeUInt8(bytes.readUInt8(1) & 0x7f, 1)
  // Without the mask.
  const head = bytes.length - payload.length - 4
  return Buffer.concat([bytes.subarray(0, head), payload])
}

/** The head of a request for a WebSocket. */
export function upgrade(path: string, more: readonly string[] = []): Buffer {
  const lines = [
    `GET ${path} HTTP/1.1`,
    'Host: h',
    'Upgrade: websocket',
    'Connection: Upgrade',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version: 13',
    ...more,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

export class Attacker {
  readonly socket: Socket
  /** Settles when the connection is over, whoever ended it. */
  readonly closed: Promise<void>
  #received = Buffer.alloc(0)
  isClosed = false

  private constructor(socket: Socket, reads: boolean) {
    this.socket = socket
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true
        resolve()
      })
    })
    if (reads)
      socket.on('data', (data: Buffer) => {
        // The beginning of what was said is enough.
        if (this.#received.length < 65536) this.#received = Buffer.concat([this.#received, data])
      })
    else socket.pause()
  }

  static async connect(at: { port: number } | { path: string }, { reads = true } = {}): Promise<Attacker> {
    const socket = 'path' in at ? connect(at.path) : connect(at.port, '127.0.0.1')
    const attacker = new Attacker(socket, reads)
    await Promise.race([new Promise<void>((resolve) => socket.once('connect', resolve)), attacker.closed])
    return attacker
  }

  /** Behind a good handshake. It answers nothing, not even a close. */
  static async upgraded(at: { port: number } | { path: string }, path: string): Promise<Attacker> {
    const attacker = await Attacker.connect(at)
    attacker.send(upgrade(path))
    while (!attacker.isClosed && !attacker.said.includes('\r\n\r\n'))
      await Promise.race([attacker.#heard(), attacker.closed])
    return attacker
  }

  get said(): string {
    return this.#received.toString('latin1')
  }

  send(bytes: Uint8Array): boolean {
    return !this.isClosed && this.socket.write(bytes)
  }

  /** Reads nothing from now on: what it is sent stays with whoever sends it. */
  stopReading(): void {
    this.socket.pause()
  }

  /** Sends `bytes` so many times, as fast as they are taken, until it is cut off or `isEnough`. Returns how often. */
  async flood(bytes: Buffer, times: number, isEnough: () => boolean = () => false): Promise<number> {
    const together = Math.max(1, Math.min(times, Math.floor(65536 / bytes.length)))
    const block = Buffer.concat(Array.from({ length: together }, () => bytes))
    let sent = 0
    while (sent < times && !this.isClosed && !isEnough()) {
      sent += together
      if (!this.send(block)) await Promise.race([this.#drained(), this.closed])
      else await new Promise((resolve) => setImmediate(resolve))
    }
    return sent
  }

  #heard(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once('data', () => resolve())
    })
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      this.socket.once('drain', resolve)
    })
  }

  end(): void {
    this.socket.destroy()
  }
}

export interface Held {
  readonly residentBytes: number
  readonly files: number
  readonly sockets: number
}

/** What a process holds, as the kernel has it. */
export function heldBy(pid: number): Held {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const files = readdirSync(`/proc/${pid}/fd`)
  return {
    residentBytes: Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024,
    files: files.length,
    sockets: socketsIn(pid, files),
  }
}

/** Most memory it ever had at once, in bytes. */
export function mostResident(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

function socketsIn(pid: number, files: readonly string[]): number {
  return files.filter((file) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${file}`).startsWith('socket:')
    } catch {
      return false
    }
  }).length
}
