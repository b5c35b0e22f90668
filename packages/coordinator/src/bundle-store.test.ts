/**
 * Goal: what is kept is what its name says, an upload that was cut off goes on from what is there, and what nobody needs goes. Method: a folder on
 * disk, a calendar that the test turns, and bytes that are almost right.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BundleRef, encodeManifest, LIMITS } from '@godwit/protocol'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BundleStore, writeSynced } from './bundle-store.ts'

const CHUNK = LIMITS.bundleChunkBytes
let folder: string
let nowMs = 0
let isDiskFull = false
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-test-'))
  nowMs = Date.now()
  isDiskFull = false
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const open = (spaceBytes = 1 << 30): BundleStore =>
  BundleStore.open({
    folder,
    spaceBytes,
    log: pino({ level: 'silent' }),
    now: () => nowMs,
    write: async (path, bytes) => {
      await writeSynced(path, isDiskFull ? bytes.subarray(1) : bytes)
      if (isDiskFull) throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    },
  })
const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** A program and a file of three chunks, the last of one byte; `fill` tells two apart. */
function bundle(fill = 1): { ref: BundleRef; manifest: Buffer; chunks: Map<string, Buffer> } {
  const pieces = [Buffer.alloc(CHUNK, fill), Buffer.alloc(CHUNK, fill + 1), Buffer.alloc(1, fill)]
  const program = Buffer.from(`export default ${fill}`)
  const chunks = new Map([program, ...pieces].map((each) => [digestOf(each), each]))
  const manifest = encodeManifest({
    program: 'p.mjs',
    files: [
      { path: 'p.mjs', bytes: program.length, chunks: [digestOf(program)] },
      { path: 'data/x', bytes: 2 * CHUNK + 1, chunks: pieces.map(digestOf) },
    ],
  })
  return { ref: { digest: digestOf(manifest), bytes: program.length + 2 * CHUNK + 1 }, manifest, chunks }
}

async function upload(
  store: BundleStore,
  { ref, manifest, chunks }: ReturnType<typeof bundle>,
  most = 99,
): Promise<string[]> {
  const missing = await store.putManifest(ref.digest, manifest)
  for (const chunk of missing.slice(0, most)) await store.putChunk(chunk, chunks.get(chunk) as Buffer)
  return missing
}

test('an upload that was cut off goes on from what is there, in the next coordinator as well', async () => {
  const one = bundle()
  expect(await upload(open(), one, 2)).toHaveLength(4)
  const store = open()
  await expect(store.check(one.ref)).rejects.toMatchObject({
    kind: 'bundle-missing',
    message: expect.stringContaining('2 of 4'),
  })
  expect(await upload(store, one)).toHaveLength(2)
  await store.check(one.ref)
  expect(await open().putManifest(one.ref.digest, one.manifest)).toEqual([])
  for (const [chunk, bytes] of one.chunks) expect((await store.read(chunk)).equals(bytes)).toBe(true)
  expect(await store.read(one.ref.digest)).toEqual(one.manifest)
})

test('two bundles share what they have in common', async () => {
  const store = open()
  const one = bundle()
  await upload(store, one)
  const program = Buffer.from('export default "another"')
  const { files } = JSON.parse(one.manifest.toString()) as Parameters<typeof encodeManifest>[0]
  const manifest = encodeManifest({
    program: 'p.mjs',
    files: [
      ...files.filter(({ path }) => path !== 'p.mjs'),
      { path: 'p.mjs', bytes: program.length, chunks: [digestOf(program)] },
    ],
  })
  expect(await store.putManifest(digestOf(manifest), manifest)).toEqual([digestOf(program)])
})

test('what is not what its name says is not kept, nor what nobody has announced', async () => {
  const store = open()
  const { ref, manifest, chunks } = bundle()
  const [first, second] = [...chunks] as [[string, Buffer], [string, Buffer]]
  await expect(store.putChunk(first[0], first[1])).rejects.toMatchObject({ kind: 'bundle-missing' })
  await expect(store.putManifest(first[0], manifest)).rejects.toMatchObject({ kind: 'bad-checksum' })
  await store.putManifest(ref.digest, manifest)
  const other = Buffer.from(second[1])
  other[7] = 0xff
  await expect(store.putChunk(second[0], other)).rejects.toMatchObject({ kind: 'bad-checksum' })
  await expect(store.putChunk(second[0], Buffer.concat([second[1], Buffer.alloc(1)]))).rejects.toMatchObject({
    kind: 'bad-message',
    message: expect.stringContaining(`has ${CHUNK} bytes, not ${CHUNK + 1}`),
  })
  const liar = encodeManifest({ program: 'p', files: [{ path: 'p', bytes: 2, chunks: [second[0]] }] })
  await expect(store.putManifest(digestOf(liar), liar)).rejects.toMatchObject({ kind: 'bad-message' })
  await expect(store.check(ref)).rejects.toMatchObject({ kind: 'bundle-missing' })
  await expect(store.check({ ...ref, bytes: 5 })).rejects.toMatchObject({ kind: 'bad-arguments' })
  expect(readdirSync(join(folder, 'chunks'))).toEqual([])
})

test('what the disk has changed is not given to anybody, and is uploaded anew', async () => {
  const store = open()
  const one = bundle()
  await upload(store, one)
  const [chunk] = [...one.chunks.keys()] as [string]
  writeFileSync(join(folder, 'chunks', chunk), 'rot')
  await expect(store.read(chunk)).rejects.toMatchObject({ kind: 'bundle-missing' })
  expect(await upload(store, one)).toEqual([chunk])
  await store.check(one.ref)
})

test('what no job needs goes an hour after it was wanted last', async () => {
  const store = open()
  const [used, unused] = [bundle(1), bundle(3)]
  await upload(store, used)
  await upload(store, unused)
  const inUse = new Set([used.ref.digest])
  nowMs += LIMITS.keepUnusedChunksMs - 1
  await store.collect(inUse)
  await store.check(unused.ref)
  nowMs += LIMITS.keepUnusedChunksMs
  await store.collect(inUse)
  await store.check(used.ref)
  await expect(store.check(unused.ref)).rejects.toMatchObject({ kind: 'bundle-missing' })
  expect(readdirSync(join(folder, 'manifests'))).toEqual([used.ref.digest])
  expect(new Set(readdirSync(join(folder, 'chunks')))).toEqual(new Set(used.chunks.keys()))
  // So it is found by the next coordinator, whose jobs are the same.
  nowMs += LIMITS.keepUnusedChunksMs
  const next = open()
  await next.collect(inUse)
  await next.check(used.ref)
  nowMs += LIMITS.keepUnusedChunksMs
  await next.collect(new Set())
  expect(next.usedBytes).toBe(0)
  expect(readdirSync(join(folder, 'chunks'))).toEqual([])
})

test('there is so much room, which those expected count in, and what no job needs makes way', async () => {
  const store = open(3 * CHUNK)
  const [one, other] = [bundle(1), bundle(3)]
  await upload(store, one, 1)
  await store.collect(new Set([one.ref.digest]))
  await expect(upload(store, other)).rejects.toMatchObject({
    kind: 'disk-full',
    message: expect.stringMatching(/room for 768\.0 KiB.*--bundle-space/),
  })
  nowMs += LIMITS.clientPatienceMs
  await expect(upload(store, other)).rejects.toMatchObject({ kind: 'disk-full' })
  await store.collect(new Set())
  nowMs += LIMITS.clientPatienceMs
  expect(await upload(store, other)).toHaveLength(4)
  await store.check(other.ref)
  expect(store.usedBytes).toBeLessThanOrEqual(3 * CHUNK)
})

test('a full disk is said, nothing is left of what did not fit, and it goes on when there is room', async () => {
  const store = open()
  const one = bundle()
  await upload(store, one, 1)
  isDiskFull = true
  await expect(upload(store, one)).rejects.toMatchObject({
    kind: 'disk-full',
    message: expect.stringContaining('free some space'),
  })
  isDiskFull = false
  expect(readdirSync(join(folder, 'chunks'))).toHaveLength(1)
  expect(await upload(store, one)).toHaveLength(3)
})

test('what was being written as a coordinator was killed goes', async () => {
  const one = bundle()
  await upload(open(), one)
  writeFileSync(join(folder, 'chunks', 'half.new'), 'ha')
  await open().check(one.ref)
  expect(readdirSync(join(folder, 'chunks'))).not.toContain('half.new')
})

test('without a folder it has one that goes with it', async () => {
  vi.stubEnv('TMPDIR', folder)
  const log = pino({ level: 'silent' })
  const store = BundleStore.open({ folder: undefined, spaceBytes: 1 << 30, log, now: () => nowMs })
  expect(readdirSync(folder)).toEqual([])
  const one = bundle()
  await upload(store, one)
  await store.check(one.ref)
  expect(readdirSync(folder)).toHaveLength(1)
  store.close()
  expect(readdirSync(folder)).toEqual([])
  vi.unstubAllEnvs()
})
