/**
 * Reads the WebSocket messages of a bulk stream where the kernel put them.
 *
 * `ws` hands out each message in fresh memory, joined from the chunks in which it came: for pages that are copied into
 * the arena a moment later, that join and its page faults cost more than all the rest of receiving. Here the socket
 * reads into one buffer that is used again and again and stays in the processor's cache, and a message is a view of it.
 * (Measured: half as fast again as `ws` between two processes; docs/adr/0006.)
 *
 * Only what a source sends on a bulk stream is read: unmasked binary messages in one fragment (RFC 6455, section 5.2).
 *
 * Invariants: a message lies in one piece; no byte is allocated by a length that was sent; there is always space for
 * another byte.
 */
import { GodwitError } from '@godwit/protocol'

/** So many messages of the largest size find room: those in flight are read with few calls, and seldom moved. */
const MESSAGES_OF_SPACE = 6
/** A header with an 8-byte length. */
const MAX_HEADER_BYTES = 10

const FIN_BINARY = 0x82
const MASKED = 0x80

export class FrameReader {
  readonly #maxMessageBytes: number
  readonly #message: (bytes: Buffer) => void
  readonly #buffer: Buffer
  #start = 0
  #end = 0

  /** `message` is given a view that is valid until it returns. */
  constructor(maxMessageBytes: number, message: (bytes: Buffer) => void) {
    this.#maxMessageBytes = maxMessageBytes
    this.#message = message
    this.#buffer = Buffer.alloc(MESSAGES_OF_SPACE * (maxMessageBytes + MAX_HEADER_BYTES))
  }

  /** Where the next bytes go: never empty. */
  get space(): Buffer {
    return this.#buffer.subarray(this.#end)
  }

  /** `bytes` more were written into `space`. Errors: `bad-frame`, `too-large`; the stream is of no use then. */
  wrote(bytes: number): void {
    this.#end += bytes
    let needed = this.#takeNext()
    while (needed === 0) needed = this.#takeNext()
    if (this.#start === this.#end) this.#start = this.#end = 0
    else if (this.#start + needed > this.#buffer.length) {
      this.#buffer.copyWithin(0, this.#start, this.#end)
      this.#end -= this.#start
      this.#start = 0
    }
  }

  /** Hands out a message and returns 0, or returns how many bytes from the start on it has to see. */
  #takeNext(): number {
    const buffer = this.#buffer
    const [at, there] = [this.#start, this.#end - this.#start]
    if (there < 2) return MAX_HEADER_BYTES
    if (buffer[at] !== FIN_BINARY) bad(`a WebSocket frame that begins with ${buffer[at]}`)
    const short = buffer[at + 1] as number
    if (short & MASKED) bad('a masked frame from a server')
    const headerBytes = short === 127 ? 10 : short === 126 ? 4 : 2
    if (there < headerBytes) return MAX_HEADER_BYTES
    const length =
      short === 127
        ? Number(buffer.readBigUInt64BE(at + 2))
        : short === 126
          ? buffer.readUInt16BE(at + 2)
          : short
    if (length > this.#maxMessageBytes) {
      throw new GodwitError(
        'too-large',
        `a message of ${length} bytes, the limit is ${this.#maxMessageBytes}`,
      )
    }
    if (there < headerBytes + length) return headerBytes + length
    this.#start = at + headerBytes + length
    this.#message(buffer.subarray(at + headerBytes, this.#start))
    return 0
  }
}

function bad(what: string): never {
  throw new GodwitError('bad-frame', what)
}
