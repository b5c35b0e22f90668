/**
 * Goal: a bundle is whole before a worker starts from it, whatever was there before; nothing is fetched that is there; nothing outside of its folder
 * is touched; and the room for all of them is kept to. Method: a folder on disk, and a source that counts what it is asked for and lies when it is told to.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type BundleRef, encodeManifest, GodwitError, LIMITS } from '@godwit/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BundleSource } from './bundle-source.ts'
import { Bundles, type BundlesOptions } from './bundles.ts'

const CHUNK = LIMITS.bundleChunkBytes
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A comparison of large buffers by `toEqual` takes seconds. */
const isSame = (file: string, bytes: Buffer): boolean => readFileSync(file).equals(bytes)

let dataDir: string
/** What the coordinator has, by digest. */
let blobs: Map<string, Buffer>
let asked: string[]
/** Called before each answer. */
let before: (digest: string, signal: AbortSignal) => Promise<void> | void
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'godwit-test-'))
  blobs = new Map()
  asked = []
  before = () => {}
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

const source: BundleSource = {
  get: async (digest, signal) => {
    asked.push(digest)
    await before(digest, signal)
    const bytes = blobs.get(digest)
    if (bytes === undefined) throw new GodwitError('bundle-missing', `there is no ${digest}`)
    return bytes
  },
  close: () => {},
}

function bundles(more: Partial<BundlesOptions> = {}): Bundles {
  const log = pino({ level: 'silent' })
  return new Bundles({ dataDir, spaceBytes: 1 << 30, source: () => source, log, ...more })
}

/** Uploads a bundle of these files, the first of which is the program. */
function uploaded(files: Readonly<Record<string, Buffer>>): BundleRef {
  const cut = Object.entries(files).map(([path, bytes]) => {
    const chunks: string[] = []
    for (let from = 0; from < bytes.length; from += CHUNK) {
      const chunk = bytes.subarray(from, from + CHUNK)
      blobs.set(digestOf(chunk), chunk)
      chunks.push(digestOf(chunk))
    }
    return { path, bytes: bytes.length, chunks }
  })
  const manifest = encodeManifest({ program: Object.keys(files)[0] as string, files: cut })
  blobs.set(digestOf(manifest), manifest)
  return { digest: digestOf(manifest), bytes: cut.reduce((sum, { bytes }) => sum + bytes, 0) }
}

/** Of three whole chunks and a byte, each another; `of` tells two apart. */
const data = (of: number): Buffer =>
  Buffer.concat([...[0, 1, 2].map((at) => Buffer.alloc(CHUNK, 16 * of + at)), Buffer.alloc(1, of)])
const program = (text = 'export default 1'): Buffer => Buffer.from(text)

const wanted = (
  bundle: BundleRef,
  more: { workerId?: string; computeOnly?: boolean; signal?: AbortSignal } = {},
) => ({
  workerId: 'w1',
  bundle,
  computeOnly: false,
  signal: new AbortController().signal,
  ...more,
})
const filesOf = ({ digest }: BundleRef): string => join(dataDir, 'bundles', digest, 'files')

test('all of it is put where the program looks for it, each chunk asked for once', async () => {
  const ref = uploaded({
    'p.mjs': program(),
    'data/x': data(1),
    'data/again': data(1),
    'data/none': Buffer.alloc(0),
  })
  const file = await bundles().bring(wanted(ref))
  expect(file).toBe(join(filesOf(ref), 'p.mjs'))
  expect(isSame(file, program())).toBe(true)
  expect(isSame(join(dirname(file), 'data/x'), data(1))).toBe(true)
  expect(isSame(join(dirname(file), 'data/again'), data(1))).toBe(true)
  expect(readFileSync(join(dirname(file), 'data/none'))).toHaveLength(0)
  expect(new Set(asked).size).toBe(1 + 1 + 4)
  asked = []
  // By the same agent, and by the next.
  await bundles().bring(wanted(ref))
  expect(asked).toEqual([])
})

test('who waits is told how much is there while some of it is fetched, and nothing where all is there', async () => {
  const ref = uploaded({ 'p.mjs': program(), 'data/x': data(1), 'data/again': data(1), 'data/y': data(2) })
  const told: number[] = []
  const fetched = (bytes: number): void => void told.push(bytes)
  let now = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => (now += LIMITS.fetchingEveryMs))
  await bundles().bring({ ...wanted(ref), fetched })
  expect(told[0]).toBe(0)
  expect(told.at(-1)).toBe(ref.bytes)
  expect(told).toEqual([...told].sort((a, b) => a - b))
  expect(new Set(told).size).toBeGreaterThan(4)
  told.length = 0
  await bundles().bring({ ...wanted(ref), fetched })
  expect(told).toEqual([])

  // Another bundle with half of it, by a clock that stands: as it begins, and when all is there.
  clock.mockImplementation(() => now)
  const next = uploaded({ 'p.mjs': program('export default 2'), 'data/x': data(1), 'data/z': data(3) })
  await bundles().bring({ ...wanted(next, { workerId: 'w2' }), fetched })
  expect(told).toEqual([expect.any(Number), next.bytes])
  clock.mockRestore()
})

test('one that was cut off is gone on with by the next agent, which asks for what is missing alone', async () => {
  const ref = uploaded({ 'p.mjs': program(), 'data/x': data(1) })
  const killed = new AbortController()
  let left = 3
  before = () => {
    left -= 1
    if (left < 0) throw new GodwitError('cancelled', 'the agent was killed')
  }
  await expect(bundles().bring(wanted(ref, { signal: killed.signal }))).rejects.toMatchObject({
    kind: 'cancelled',
  })
  const had = new Set(asked.slice(0, 3))
  asked = []
  before = () => {}
  expect(await bundles().look(ref)).toEqual({ bytes: ref.bytes, missingBytes: expect.any(Number) })
  expect(asked).toEqual([])
  await bundles().bring(wanted(ref))
  expect(asked.filter((digest) => had.has(digest))).toEqual([])
  expect(new Set([...asked, ...had])).toEqual(new Set(blobs.keys()))
  expect(isSame(join(filesOf(ref), 'data/x'), data(1))).toBe(true)
})

test('another bundle with the same data fetches its program alone, and takes the room of it alone', async () => {
  const [one, two] = [
    uploaded({ 'p.mjs': program(), 'data/x': data(1) }),
    uploaded({ 'p.mjs': program('export default 2'), 'data/x': data(1) }),
  ]
  const host = bundles({ spaceBytes: data(1).length + 100 })
  await host.bring(wanted(one))
  asked = []
  expect(await host.look(two)).toEqual({ bytes: two.bytes, missingBytes: program('export default 2').length })
  await host.bring(wanted(two, { workerId: 'w2' }))
  expect(asked).toEqual([two.digest, digestOf(program('export default 2'))])
  expect(statSync(join(filesOf(two), 'data/x')).ino).toBe(statSync(join(filesOf(one), 'data/x')).ino)
})

test('data that was appended to is fetched from its end on', async () => {
  const more = Buffer.concat([data(1).subarray(0, 3 * CHUNK), Buffer.alloc(CHUNK, 9)])
  const one = uploaded({ 'p.mjs': program(), x: data(1) })
  const two = uploaded({ 'p.mjs': program(), x: more })
  const host = bundles()
  await host.bring(wanted(one))
  asked = []
  await host.bring(wanted(two))
  expect(asked).toEqual([two.digest, digestOf(Buffer.alloc(CHUNK, 9))])
  expect(isSame(join(filesOf(two), 'x'), more)).toBe(true)
})

test('with compute only nothing is fetched but what says what would have to be', async () => {
  const ref = uploaded({ 'p.mjs': program(), x: data(1) })
  const host = bundles()
  const compute = wanted(ref, { computeOnly: true })
  await expect(host.bring(compute)).rejects.toMatchObject({
    kind: 'bundle-missing',
    message: expect.stringMatching(/lacks 768\.0 KiB of the 768\.0 KiB.*without --compute-only/),
  })
  expect(asked).toEqual([ref.digest])
  expect(await host.look(ref)).toEqual({ bytes: ref.bytes, missingBytes: ref.bytes })
  await host.bring(wanted(ref))
  await host.bring(compute)
})

test('what somebody has written to is put right before the next worker starts from it', async () => {
  const ref = uploaded({ 'p.mjs': program(), x: data(1) })
  const file = join(filesOf(ref), 'x')
  await bundles().bring(wanted(ref))
  chmodSync(file, 0o600)
  const changed = data(1)
  changed[CHUNK + 5] = 0xff
  writeFileSync(file, changed)
  asked = []
  await bundles().bring(wanted(ref))
  expect(asked).toEqual([digestOf(data(1).subarray(CHUNK, 2 * CHUNK))])
  expect(isSame(file, data(1))).toBe(true)
})

test('links that lie where files or folders should are taken away, and not written through', async () => {
  const outside = join(dataDir, 'outside')
  mkdirSync(outside)
  writeFileSync(join(outside, 'p.mjs'), 'mine')
  const ref = uploaded({ 'p.mjs': program(), 'deep/down/x': data(1) })
  const files = filesOf(ref)
  mkdirSync(files, { recursive: true })
  writeFileSync(join(dirname(files), 'manifest'), blobs.get(ref.digest) as Buffer)
  symlinkSync(join(outside, 'p.mjs'), join(files, 'p.mjs'))
  symlinkSync(outside, join(files, 'deep'))
  await bundles().bring(wanted(ref))
  expect(isSame(join(files, 'p.mjs'), program())).toBe(true)
  expect(isSame(join(files, 'deep/down/x'), data(1))).toBe(true)
  expect(readFileSync(join(outside, 'p.mjs'), 'utf8')).toBe('mine')
  expect(readdirSync(outside)).toEqual(['p.mjs'])
})

test('a manifest that leads elsewhere is refused before anything is written', async () => {
  const evil = Buffer.from(
    JSON.stringify({
      format: 1,
      program: 'p',
      files: [{ path: '../../../../escaped', bytes: 1, chunks: ['0'.repeat(64)] }],
    }),
  )
  blobs.set(digestOf(evil), evil)
  await expect(bundles().bring(wanted({ digest: digestOf(evil), bytes: 1 }))).rejects.toMatchObject({
    kind: 'bad-message',
  })
  expect(existsSync(join(dataDir, '../escaped'))).toBe(false)
  expect(existsSync(join(dataDir, 'bundles', digestOf(evil)))).toBe(false)
})

test('a chunk that is longer than its manifest says is not written; one that is not there says so', async () => {
  const long = Buffer.alloc(10, 7)
  blobs.set(digestOf(long), long)
  const manifest = encodeManifest({
    program: 'p',
    files: [{ path: 'p', bytes: 3, chunks: [digestOf(long)] }],
  })
  blobs.set(digestOf(manifest), manifest)
  await expect(bundles().bring(wanted({ digest: digestOf(manifest), bytes: 3 }))).rejects.toMatchObject({
    kind: 'bad-message',
    message: expect.stringContaining('10 bytes, its manifest says 3'),
  })
  const ref = uploaded({ 'p.mjs': program(), x: data(1) })
  blobs.delete(digestOf(data(1).subarray(0, CHUNK)))
  await expect(bundles().bring(wanted(ref))).rejects.toMatchObject({ kind: 'bundle-missing' })
  await expect(bundles().bring(wanted({ ...ref, bytes: 5 }))).rejects.toMatchObject({ kind: 'bad-message' })
})

test('room is made by those that no worker uses, the one that was used longest ago first', async () => {
  const refs = [1, 2, 3].map((of) => uploaded({ 'p.mjs': program(`export default ${of}`), x: data(of) }))
  const [one, two, three] = refs as [BundleRef, BundleRef, BundleRef]
  const host = bundles({ spaceBytes: 2 * (data(1).length + 100) })
  const here = (): string[] => readdirSync(join(dataDir, 'bundles')).sort()
  for (const ref of [one, two, one]) {
    await host.bring(wanted(ref))
    host.release('w1')
  }
  await host.bring(wanted(three, { workerId: 'w3' }))
  expect(here()).toEqual([one.digest, three.digest].sort())
  // The next agent knows which were used, and which workers use.
  const next = bundles({ spaceBytes: 2 * (data(1).length + 100) })
  next.use('w1', one.digest)
  next.use('w3', three.digest)
  await expect(next.bring(wanted(two, { workerId: 'w2' }))).rejects.toMatchObject({
    kind: 'disk-full',
    message: expect.stringContaining('--bundle-space'),
  })
  next.release('w3')
  await next.bring(wanted(two, { workerId: 'w2' }))
  expect(here()).toEqual([one.digest, two.digest].sort())
})

test('it comes once for all that wait for it, and stops coming when the last of them has gone', async () => {
  const ref = uploaded({ 'p.mjs': program(), x: data(1) })
  const host = bundles()
  const [first, second] = [new AbortController(), new AbortController()]
  let stopped: () => void = () => {}
  const isStopped = new Promise<void>((resolve) => {
    stopped = resolve
  })
  let begun: () => void = () => {}
  const isBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  before = async (_, signal) => {
    begun()
    await new Promise((resolve) => signal.addEventListener('abort', resolve))
    stopped()
    throw new GodwitError('cancelled', 'not needed')
  }
  const both = [
    host.bring(wanted(ref, { workerId: 'w1', signal: first.signal })),
    host.bring(wanted(ref, { workerId: 'w2', signal: second.signal })),
  ]
  await isBegun
  first.abort()
  await expect(both[0]).rejects.toMatchObject({ kind: 'cancelled' })
  expect(asked).toEqual([ref.digest])
  second.abort()
  await expect(both[1]).rejects.toMatchObject({ kind: 'cancelled' })
  await isStopped
  before = () => {}
  await host.bring(wanted(ref))
})

test('a host that refuses them says why, and fetches nothing', async () => {
  const ref = uploaded({ 'p.mjs': program() })
  const host = bundles({ refusal: 'not here' })
  await expect(host.bring(wanted(ref))).rejects.toMatchObject({ kind: 'forbidden', message: 'not here' })
  await expect(host.look(ref)).rejects.toMatchObject({ kind: 'forbidden' })
  expect(asked).toEqual([])
})

test('a folder that can not be written is told as such', async () => {
  const ref = uploaded({ 'p.mjs': program() })
  writeFileSync(join(dataDir, 'bundles'), 'a file')
  await expect(bundles().bring(wanted(ref))).rejects.toMatchObject({ kind: 'bad-arguments' })
})

test('what an earlier agent left half, or somebody else, goes', async () => {
  const ref = uploaded({ 'p.mjs': program() })
  await bundles().bring(wanted(ref))
  for (const stray of ['stray', 'f'.repeat(64)]) mkdirSync(join(dataDir, 'bundles', stray))
  bundles()
  expect(readdirSync(join(dataDir, 'bundles'))).toEqual([ref.digest])
})
