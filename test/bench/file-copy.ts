/**
 * A file over a raw TCP socket, as fast as the link goes: the copy in "checkpoint, copy, start again".
 *
 * Both processes are started and connected before there is anything to copy, so that only the copy takes time.
 * As a process: `file-copy.ts send HOST`, told `{"file": FROM}`; `file-copy.ts receive HOST PORT FILE`.
 */
import { once } from 'node:events'
import { createReadStream, createWriteStream } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import type { RigPlace } from '@godwit/testkit'
import { Child, leashed, say } from './child.ts'

const SELF = fileURLToPath(import.meta.url)
const READ_BYTES = 1024 * 1024

export class FileCopy {
  readonly #sender: Child
  readonly #receiver: Child

  private constructor(sender: Child, receiver: Child) {
    this.#sender = sender
    this.#receiver = receiver
  }

  /** Resolves when the two ends are connected. What arrives is written to `file`. */
  static async open(source: RigPlace, target: RigPlace, file: string): Promise<FileCopy> {
    const sender = new Child(source, SELF, ['send', source.host])
    const { port } = (await sender.next()).value
    const receiver = new Child(target, SELF, ['receive', source.host, String(port), file])
    const copy = new FileCopy(sender, receiver)
    await sender.next()
    return copy
  }

  /** Resolves when all of it is in the other end's file. */
  async copy(from: string): Promise<void> {
    this.#sender.tell({ file: from })
    await this.#receiver.next()
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.kill(), this.#receiver.kill()])
  }
}

async function send(host: string): Promise<void> {
  const server = createServer().listen(0, host)
  const connected = once(server, 'connection')
  await once(server, 'listening')
  leashed(({ file }) => {
    sendFile(file as string).catch((error: unknown) => {
      console.error(error)
      process.exit(1)
    })
  })
  say({ port: (server.address() as { port: number }).port })
  const [socket] = (await connected) as [Socket]
  say({ connected: true })
  async function sendFile(file: string): Promise<void> {
    await pipeline(createReadStream(file, { highWaterMark: READ_BYTES }), socket)
  }
}

async function receive(host: string, port: number, file: string): Promise<void> {
  leashed()
  await pipeline(connect(port, host), createWriteStream(file, { highWaterMark: READ_BYTES }))
  say({ copied: true })
}

if (process.argv[1] === SELF) {
  const [role, host, port, file] = process.argv.slice(2) as [string, string, string, string]
  if (role === 'send') await send(host)
  else await receive(host, Number(port), file)
}
