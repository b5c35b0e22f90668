/**
 * Goal: a source that is up to something while its job trains gives its target nothing that is larger than it says: the migration ends with
 * an error that names it, the target's memory stays bounded, and the job trains on where it was.
 * Method: a real cluster; whatever the source's worker sends goes through a proxy at the address of its host, which puts a frame of its own in
 * the place of one of the second round. (Frames of a source that is written by hand: target-faults.test.ts.)
 */
import { connect, createServer, type Server, type Socket } from 'node:net'
import { crc32 } from 'node:zlib'
import { HEADER_BYTES, LIMITS, PAGE_BYTES, RUN_BYTES } from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { frameOfServer, mostResident } from './support/attacker.ts'
import { Cluster, type Finished, type Follower, PROGRAMS } from './support/cluster.ts'

/** Four planes of 16 MiB would be more. */
const MOST_GROWTH_BYTES = 60 * 2 ** 20
/** As many as a frame may decode to. */
const PAGES = LIMITS.maxFramePages
const PLANE_BYTES = (PAGES * PAGE_BYTES) / 4

/** An LZ4 block of one sequence: a literal, and a match that goes on for as long as its length bytes say. */
function lz4Of(lengthBytes: number): Buffer {
  return Buffer.concat([Buffer.of(0x1f, 0, 1, 0), Buffer.alloc(lengthBytes, 255), Buffer.of(0)])
}

/** Four planes for `PAGES` pages. */
const SECTIONS: Record<string, Buffer[]> = {
  'LZ4 blocks of 16 MiB each': Array.from({ length: 4 }, () => lz4Of(PLANE_BYTES - 32)),
  'an LZ4 block that is a little more than its pages': [1, 2, 3, 4].map(() => lz4Of(PLANE_BYTES / 255 + 1)),
  'an LZ4 block that is less than its pages': [1, 2, 3, 4].map(() => lz4Of(1)),
  'a plane that is longer than its pages': [PLANE_BYTES + 1, 1, 1, 1].map((bytes) => Buffer.alloc(bytes, 1)),
}

/** A frame of xor pages in the place of `given`, a frame of pages of the same stream, round and sequence. */
function forged(given: Buffer, planes: readonly Buffer[]): Buffer {
  const header = Buffer.from(given.subarray(0, HEADER_BYTES))
  const run = Buffer.alloc(RUN_BYTES)
  run.writeUInt32LE(PAGES, 4)
  run.writeUInt32LE(3, 8)
  const lengths = Buffer.alloc(16)
  for (const [index, plane] of planes.entries()) lengths.writeUInt32LE(plane.length, index * 4)
  const rest = Buffer.concat([run, lengths, ...planes])
  header.writeUInt8(1, 5)
  header.writeUInt8(2, 6)
  header.writeUInt32LE(1, 16)
  header.writeUInt32LE(rest.length - RUN_BYTES, 20)
  header.writeUInt32LE(crc32(rest, crc32(header.subarray(0, 28))), 28)
  return Buffer.concat([header, rest])
}

/** Passes on what a server says, frame by frame once the connection is upgraded, and changes one that is of the second round. */
class FrameProxy {
  readonly #to: Socket
  readonly #planes: readonly Buffer[]
  #isUpgraded = false
  #isDone = false
  #left = Buffer.alloc(0)

  constructor(to: Socket, planes: readonly Buffer[]) {
    this.#to = to
    this.#planes = planes
  }

  said(bytes: Buffer): void {
    this.#left = Buffer.concat([this.#left, bytes])
    if (!this.#isUpgraded) {
      const end = this.#left.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#isUpgraded = true
      this.#pass(end + 4)
    }
    for (let length = this.#frameBytes(); length > 0; length = this.#frameBytes()) {
      const head = this.#headBytes()
      const payload = this.#left.subarray(head, length)
      const isPagesOfRound1 =
        payload.length >= HEADER_BYTES &&
        payload.toString('latin1', 0, 4) === 'GDWT' &&
        payload.readUInt8(5) === 1 &&
        payload.readUInt32LE(8) === 1
      if (this.#planes.length === 0 || this.#isDone || !isPagesOfRound1) this.#pass(length)
      else {
        this.#isDone = true
        this.#to.write(frameOfServer(forged(payload, this.#planes)))
        this.#left = this.#left.subarray(length)
      }
    }
  }

  #pass(bytes: number): void {
    this.#to.write(this.#left.subarray(0, bytes))
    this.#left = this.#left.subarray(bytes)
  }

  #headBytes(): number {
    const short = (this.#left[1] ?? 0) & 0x7f
    return short === 127 ? 10 : short === 126 ? 4 : 2
  }

  /** Of the next frame, when all of it is there; else 0. */
  #frameBytes(): number {
    const head = this.#headBytes()
    if (this.#left.length < Math.max(2, head)) return 0
    const short = (this.#left[1] ?? 0) & 0x7f
    const payload =
      short === 127
        ? Number(this.#left.readBigUInt64BE(2))
        : short === 126
          ? this.#left.readUInt16BE(2)
          : short
    return this.#left.length >= head + payload ? head + payload : 0
  }
}

let cluster: Cluster
let proxy: Server
let planes: readonly Buffer[] = []
let job: Follower
beforeAll(async () => {
  // What is said at 127.0.0.2 goes to the same port of 127.0.0.1, where the worker listens.
  proxy = createServer((target) => {
    const source = connect(port, '127.0.0.1')
    const bulk = new FrameProxy(target, planes)
    let isBulk: boolean | undefined
    target.on('data', (bytes) => {
      isBulk ??= bytes.toString('latin1').startsWith('GET /bulk')
      source.write(bytes)
    })
    source.on('data', (bytes) => (isBulk === true ? bulk.said(bytes) : target.write(bytes)))
    for (const [one, other] of [
      [target, source],
      [source, target],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy())
  }).listen(0, '127.0.0.2')
  await new Promise((resolve) => proxy.once('listening', resolve))
  const { port } = proxy.address() as { port: number }
  cluster = await Cluster.start([{ name: 'b' }])
  const agent = cluster.startAs(
    {},
    ...['agent', '--name', 'a', '--fault-domain', 'rack-a', '--memory', '1GiB', '--programs', PROGRAMS],
    ...['--data-dir', cluster.dataDir('a'), '--address', '127.0.0.2', '--listen-host', '127.0.0.1'],
    ...['--port-range', `${port}-${port}`],
  )
  await agent.until(() => agent.lines.length > 0, 'it was registered')
  const size = ['--param', 'pages=2048', '--param', 'dirtyPages=500', '--param', 'stepMs=2']
  job = await cluster.run('mixer', 'a', 'job', '--steps', '1000000', ...size)
})
afterAll(async () => {
  proxy?.close()
  await cluster?.end()
})

/** Most that the incoming worker on `b` held, as often as it was looked at. */
async function mostHeldUntil(over: Promise<unknown>): Promise<number> {
  let isOver = false
  const end = over.then(() => {
    isOver = true
  })
  let most = 0
  while (!isOver) {
    for (const { pid } of cluster.workers('b', 'job')) {
      try {
        // Nothing is known of one that is ending.
        most = Math.max(most, mostResident(pid) || 0)
      } catch {
        // It has just ended.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await end
  return most
}

async function move(): Promise<{ heldBytes: number; finished: Finished }> {
  const moving = cluster.godwit('migrate', 'job', '--to', 'b', '--streams', '1')
  return { heldBytes: await mostHeldUntil(moving), finished: await moving }
}

/** Of each attack. */
const held: number[] = []

test.each(Object.entries(SECTIONS))('%s', async (_, given) => {
  planes = given
  const { heldBytes, finished } = await move()
  expect(finished.code, finished.err).toBe(1)
  expect(finished.said.migration).toMatchObject({
    status: 'failed',
    error: { kind: 'bad-frame', message: expect.stringMatching(/plane/) },
  })
  await job.goesOn()
  expect((await cluster.workload('job')).host).toBe('a')
  held.push(heldBytes)
})

/** Last: then the job is gone from here. */
test('none of them took more than an honest one does', async () => {
  planes = []
  const { heldBytes, finished } = await move()
  expect(finished.code, finished.err).toBe(0)
  expect(held).toHaveLength(Object.keys(SECTIONS).length)
  for (const bytes of held) expect(bytes - heldBytes).toBeLessThan(MOST_GROWTH_BYTES)
  await job.goesOn()
})
