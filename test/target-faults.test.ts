/**
 * Goal: whatever a source sends, the target ends with a typed error and bounded memory, and never claims.
 * Method: a real incoming worker dials a source written by hand, which welcomes it and then breaks one rule. (The
 * frame decoder itself is fuzzed beside its code.)
 */
import { createHash, randomBytes } from 'node:crypto'
import { Channel, type Listener, listen, type WebSocket } from '@godwit/channel'
import {
  decodeValue,
  type EncodedRun,
  type ErrorKind,
  encodePagesFrame,
  encodeRoundEnd,
  type FromSource,
  type FromTarget,
  fromTarget,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
} from '@godwit/protocol'
import { type JobSpec, programFile, Rig, type RigWorker } from '@godwit/testkit'
import { afterAll, expect, test } from 'vitest'

const pages = 64
const spec: JobSpec = {
  program: programFile(new URL('./support/programs/mixer.ts', import.meta.url).pathname),
  steps: 1000,
  parameters: { pages, dirtyPages: 4, stepMs: 0 },
}
const image = Buffer.alloc(pages * PAGE_BYTES, 7)

class ScriptedSource {
  readonly control: Channel<FromTarget, FromSource>
  readonly bulk: WebSocket
  readonly received: FromTarget[]

  constructor(control: Channel<FromTarget, FromSource>, bulk: WebSocket, received: FromTarget[]) {
    this.control = control
    this.bulk = bulk
    this.received = received
  }

  frame(sequence: number, runs: EncodedRun[], change: { stream?: number; version?: number } = {}): Buffer {
    const header = { version: 1, stream: 0, round: 0, sequence, ...change }
    return Buffer.from(encodePagesFrame(Buffer.alloc(MAX_FRAME_BYTES), header, { runs, image }))
  }

  everything(sequence = 0): Buffer {
    return this.frame(sequence, [{ firstPage: 0, pageCount: pages, encoding: 'raw' }])
  }

  final(change: Partial<Extract<FromSource, { type: 'final' }>> = {}): void {
    const smallState = Buffer.from('c0', 'hex')
    this.control.send({
      type: 'final',
      attempt: 1,
      step: 5,
      epoch: 1,
      smallState,
      smallStateDigest: digestOf(smallState),
      spool: [],
      lastSequences: [0],
      ...change,
    })
  }
}

const listeners: Listener[] = []
const rigs: Rig[] = []
afterAll(async () => {
  await Promise.all([...listeners.map((listener) => listener.close()), ...rigs.map((rig) => rig.close())])
})

/** A target that has been welcomed and has opened its one bulk connection. */
async function welcomed(): Promise<{ source: ScriptedSource; target: RigWorker }> {
  const rig = new Rig()
  rigs.push(rig)
  const target = await rig.start(spec, { mode: 'incoming' })
  const received: FromTarget[] = []
  let control: Channel<FromTarget, FromSource> | undefined
  let bulkOpened: (socket: WebSocket) => void
  const bulk = new Promise<WebSocket>((resolve) => {
    bulkOpened = resolve
  })
  const listener = await listen({
    at: { host: '127.0.0.1', ports: [0] },
    connected: (socket, path) => {
      if (path === '/bulk') {
        socket.once('message', (data) => {
          expect(decodeValue(data as Buffer)).toMatchObject({ type: 'bulkHello', stream: 0 })
          bulkOpened(socket)
        })
        socket.on('error', () => {})
        return
      }
      const channel = new Channel<FromTarget, FromSource>(socket, fromTarget, {
        message: (message) => {
          received.push(message)
          if (message.type === 'hello')
            channel.send({ type: 'welcome', version: 1, streams: 1, bulkToken: 'a'.repeat(64) })
        },
        closed: () => {},
      })
      control = channel
    },
  })
  listeners.push(listener)
  target.send({
    type: 'dial',
    migrationId: 'm',
    from: 'a',
    host: '127.0.0.1',
    port: listener.port,
    secret: 'b'.repeat(64),
  })
  const socket = await bulk
  return { source: new ScriptedSource(control as Channel<FromTarget, FromSource>, socket, received), target }
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const first = (source: ScriptedSource): Buffer => source.everything()

const violations: [string, ErrorKind, (source: ScriptedSource) => void][] = [
  ['a frame that is cut short', 'bad-frame', (source) => source.bulk.send(first(source).subarray(0, 500))],
  ["rubbish of a frame's size", 'bad-frame', (source) => source.bulk.send(randomBytes(10_000))],
  ['a frame with one bit changed', 'bad-checksum', (source) => source.bulk.send(flipped(first(source)))],
  [
    'a message larger than any frame',
    'too-large',
    (source) => source.bulk.send(Buffer.alloc(MAX_FRAME_BYTES + 1)),
  ],
  [
    'pages outside of the arena',
    'out-of-range',
    (source) => source.bulk.send(source.frame(0, [{ firstPage: pages, pageCount: 1, encoding: 'zero' }])),
  ],
  [
    'a frame of another stream',
    'bad-frame',
    (source) => source.bulk.send(source.frame(0, [], { stream: 1 })),
  ],
  ['a frame out of sequence', 'out-of-order', (source) => source.bulk.send(source.everything(1))],
  [
    'final before every page',
    'out-of-order',
    (source) => {
      source.bulk.send(encodeRoundEnd({ version: 1, stream: 0, round: 0, sequence: 0 }))
      source.final()
    },
  ],
  [
    'final whose state is not what was sent',
    'bad-checksum',
    (source) => source.final({ smallStateDigest: digestOf(Buffer.from('other')) }),
  ],
  ['final that names other streams', 'bad-message', (source) => source.final({ lastSequences: [0, 0] })],
  [
    'a control message of another protocol',
    'bad-message',
    (source) => source.control.send({ type: 'surprise' } as unknown as FromSource),
  ],
  [
    'its own failure',
    'cancelled',
    (source) =>
      source.control.send({ type: 'failed', error: { kind: 'cancelled', message: 'changed my mind' } }),
  ],
  ['nothing more, its connection gone', 'connection-lost', (source) => source.bulk.terminate()],
]

function flipped(frame: Buffer): Buffer {
  const at = frame.length >>> 1
  frame.writeUInt8(frame.readUInt8(at) ^ 1, at)
  return frame
}

for (const [what, kind, act] of violations) {
  test(`the source sends ${what}: ${kind}`, async () => {
    const { source, target } = await welcomed()
    act(source)
    expect(await target.next('failed')).toMatchObject({ error: { kind } })
    expect(await target.exited).toBe(1)
    expect(target.received.some(({ type }) => type === 'claim')).toBe(false)
  })
}

test('a small state that the program did not write ends in an error of the target, not in a claimed job that is dead', async () => {
  const { source, target } = await welcomed()
  source.bulk.send(source.everything())
  const smallState = Buffer.from('ff00', 'hex')
  source.final({ smallState, smallStateDigest: digestOf(smallState) })
  expect(await target.next('failed')).toMatchObject({ error: { kind: 'bad-message' } })
  expect(await target.exited).toBe(1)
})
