/**
 * A worker that is broken: it says who it is, as it should, and then what its parameter `behaviour` says, on each connection. One without that
 * parameter is the real one.
 *
 * `flood`: messages without end, which is more than anybody reads. `pings`: the same, and never reads. `fragments`, `huge`, `deep`, `garbage`: one thing of
 * that kind on each connection.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { encodeValue, type FromWorker } from '@godwit/protocol'
import { frameOfServer } from './attacker.ts'

const folder = process.argv[2] as string
const file = readFileSync(join(folder, 'launch.json'))
const { workerId, workloadId, epoch, parameters } = JSON.parse(file.toString()) as {
  workerId: string
  workloadId: string
  epoch: number
  parameters: { behaviour?: string }
}

const hello: FromWorker = {
  type: 'hello',
  workerId,
  workloadId,
  epoch,
  launchDigest: createHash('sha256').update(file).digest('hex'),
}
const outputs: FromWorker = { type: 'outputs', outputs: [{ step: 1, epoch, loss: 1, stepMs: 1 }] }

function without(end: Buffer, socket: Socket): void {
  const block = Buffer.concat(Array.from({ length: Math.ceil(65536 / end.length) }, () => end))
  const more = (): void => {
    while (!socket.destroyed && socket.write(block)) {
      // Until the kernel takes no more.
    }
  }
  socket.on('drain', more)
  more()
}

const BEHAVIOURS: Record<string, (socket: Socket) => void> = {
  flood: (socket) => without(frameOfServer(encodeValue(outputs)), socket),
  pings: (socket) => {
    socket.pause()
    without(frameOfServer(Buffer.alloc(125), 0x89), socket)
  },
  fragments: (socket) => {
    socket.write(frameOfServer(Buffer.alloc(1), 0x02))
    without(frameOfServer(Buffer.alloc(1), 0x00), socket)
  },
  huge: (socket) => socket.write(Buffer.from('827f00ffffffffffffff', 'hex')),
  deep: (socket) => socket.write(frameOfServer(Buffer.alloc(60_000, 0x91))),
  garbage: (socket) => socket.write(Buffer.alloc(10_000, 0xa7)),
}

const act = BEHAVIOURS[String(parameters.behaviour)]
if (act === undefined) await import(import.meta.resolve('@godwit/worker/main'))
else {
  createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (request: Buffer) => {
      const [, key = ''] = /sec-websocket-key: (\S+)/i.exec(request.toString('latin1')) ?? []
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      socket.write(frameOfServer(encodeValue(hello)))
      act(socket)
      // For the test to see that it was listened to.
      appendFileSync(join(folder, 'connections'), '.')
    })
  }).listen(join(folder, 'worker.sock'))
}
