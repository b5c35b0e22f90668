/**
 * Goal: what the coordinator lacks is sent, once, and nothing else; what changes while it is read is noticed. Method: files on disk, and a
 * coordinator that is a map.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GodwitError, LIMITS, parseManifest } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readBundle, uploadBundle } from './bundles.ts'

const CHUNK = LIMITS.bundleChunkBytes
let folder: string
/** By digest. */
let there: Map<string, Uint8Array>
let sent: string[]
/** Called before a chunk is taken. */
let before: (chunk: string) => void
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-test-'))
  there = new Map()
  sent = []
  before = () => {}
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const client = {
  putBundle: async (_: string, manifest: Uint8Array) => {
    const chunks = parseManifest(manifest).files.flatMap((file) => file.chunks)
    return [...new Set(chunks)].filter((chunk) => !there.has(chunk))
  },
  putChunk: async (chunk: string, bytes: Uint8Array) => {
    sent.push(chunk)
    before(chunk)
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(chunk)
    there.set(chunk, bytes)
  },
}

function write(name: string, bytes: Uint8Array): string {
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

const files = () => ({
  'p.mjs': write('p', Buffer.from('export default 1')),
  'data/x': write('x', Buffer.concat([1, 2, 3, 4, 5, 6].map((fill) => Buffer.alloc(CHUNK, fill)))),
  'data/same': write('same', Buffer.alloc(CHUNK, 3)),
  'data/none': write('none', Buffer.alloc(0)),
})

test('each chunk is sent once, what is there is not, and how far it is never runs backwards', async () => {
  const told: number[] = []
  const local = await readBundle({ program: 'p.mjs', files: files() }, (done) => told.push(done))
  expect(local.ref.bytes).toBe(16 + 7 * CHUNK)
  expect(told.at(-1)).toBe(local.ref.bytes)
  const shares: number[] = []
  await uploadBundle(client, local, (done, bytes) => shares.push(done / bytes))
  expect(sent).toHaveLength(7)
  expect(new Set(sent).size).toBe(7)
  expect(shares.at(-1)).toBe(1)
  expect(shares).toEqual([...shares].sort((a, b) => a - b))
  expect(await uploadBundle(client, local)).toEqual({ sentBytes: 0 })
  expect(sent).toHaveLength(7)
  expect((await readBundle({ program: 'p.mjs', files: files() })).ref).toEqual(local.ref)
})

test('one that was cut off goes on from what is there', async () => {
  const local = await readBundle({ program: 'p.mjs', files: files() })
  before = () => {
    if (there.size >= 3) throw new GodwitError('connection-lost', 'cut off')
  }
  await expect(uploadBundle(client, local)).rejects.toMatchObject({ kind: 'connection-lost' })
  before = () => {}
  sent = []
  await uploadBundle(client, local)
  expect(sent.length).toBeLessThanOrEqual(4)
  expect(there.size).toBe(7)
})

test('a coordinator that is busy is asked again', async () => {
  const local = await readBundle({ program: 'p.mjs', files: { 'p.mjs': write('p', Buffer.from('x')) } })
  let busy = 2
  before = () => {
    busy -= 1
    if (busy >= 0) throw new GodwitError('too-busy', 'ask less often')
  }
  await uploadBundle(client, local)
  expect(sent).toHaveLength(3)
})

test('a file that is changed, or gone, before it is sent is told', async () => {
  const local = await readBundle({ program: 'p.mjs', files: files() })
  write('x', Buffer.alloc(6 * CHUNK, 9))
  await expect(uploadBundle(client, local)).rejects.toMatchObject({
    kind: 'data-missing',
    message: expect.stringContaining('was changed while it was read'),
  })
  rmSync(join(folder, 'x'))
  await expect(uploadBundle(client, local)).rejects.toMatchObject({ kind: 'data-missing' })
  await expect(readBundle({ program: 'p', files: { p: join(folder, 'gone') } })).rejects.toMatchObject({
    kind: 'data-missing',
  })
})

test('what no host would take is refused before anything is sent', async () => {
  await expect(
    readBundle({ program: 'p', files: { '../p': write('p', Buffer.from('x')) } }),
  ).rejects.toMatchObject({
    kind: 'bad-message',
  })
})
