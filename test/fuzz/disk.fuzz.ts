/**
 * Goal: a file that a crash, a bad disk or somebody else has changed is refused or left alone, and ends nothing.
 * Method: files as they are written, changed; half of them with a digest that is right again, as of somebody who knows the format. They come
 * from this host's own disk, and some are slow: fewer inputs than for what comes over a network.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MemoryStore } from '@godwit/coordinator'
import {
  type CheckpointManifest,
  checkMessage,
  checkpointManifest,
  encodePagesFrame,
  encodeValue,
  MAX_FRAME_BYTES,
  PAGE_BYTES,
  workerLaunch,
} from '@godwit/protocol'
import fc from 'fast-check'
import { afterAll } from 'vitest'
import { readCluster } from '../../packages/agent/src/cluster-membership.ts'
import { DataDir, logTail, readPassport } from '../../packages/agent/src/data-dir.ts'
import { findWorker } from '../../packages/agent/src/worker-handle.ts'
import { readAll } from '../../packages/coordinator/src/records.ts'
import { AuditLog, verifyChain } from '../../packages/coordinator/src/security/audit-log.ts'
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_FILE,
  SegmentFrames,
} from '../../packages/worker/src/checkpoint-file.ts'
import { CheckpointFolder } from '../../packages/worker/src/checkpoint-folder.ts'
import { loadCheckpoint } from '../../packages/worker/src/checkpoint-reader.ts'
import type { Files } from '../../packages/worker/src/files.ts'
import { examplesOf } from './examples.ts'
import { checkRefusal, fuzz, seedFor, valueOrRefusal } from './fuzzing.ts'
import { almost, almostText } from './mutations.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'gwf-')))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const silent = { warn: () => {}, error: () => {}, info: () => {}, debug: () => {} }

// --- Checkpoints

const PAGES = 4
const image = Buffer.alloc(PAGES * PAGE_BYTES, 0x5a)
const empty = Buffer.alloc(PAGES * PAGE_BYTES)

function segment(...parts: readonly (readonly [number, number])[]): Buffer {
  const frames = parts.map(([firstPage, pageCount], sequence) =>
    Buffer.from(
      encodePagesFrame(
        Buffer.alloc(MAX_FRAME_BYTES / 8),
        { version: 1, stream: 0, round: 0, sequence },
        { runs: [{ firstPage, pageCount, encoding: 'raw' }], image },
      ),
    ),
  )
  return Buffer.concat(frames)
}

const manifests = examplesOf(checkpointManifest, 20, seedFor('manifests')) as CheckpointManifest[]

function manifestSealed(bytes: Buffer): Buffer {
  if (bytes.length < 48) return bytes
  bytes.writeUInt32LE(bytes.length - 48, 8)
  const digest = createHash('sha256').update(bytes.subarray(0, 16)).update(bytes.subarray(48)).digest()
  digest.copy(bytes, 16)
  return bytes
}

fuzz(
  'decodeManifest: what was written, or checkpoint-unusable',
  almost(manifests.map(encodeManifest), { seal: manifestSealed }),
  (bytes) => {
    const manifest = valueOrRefusal(() => decodeManifest(bytes), ['checkpoint-unusable'])
    if (manifest === undefined) return
    const again = decodeManifest(encodeManifest(manifest))
    if (!encodeValue(again).equals(encodeValue(manifest)))
      throw new Error('another one after another journey')
  },
  { share: 0.3 },
)

fuzz(
  'SegmentFrames: frames inside of the arena, in order, however the file is cut, or checkpoint-unusable',
  fc.tuple(
    almost([segment([0, 2], [2, 2]), segment([0, 4])], { hot: 64 }),
    fc.integer({ min: 1, max: 20_000 }),
  ),
  ([bytes, pieceBytes]) => {
    const frames = new SegmentFrames(PAGES)
    let count = 0
    try {
      for (let at = 0; at < bytes.length; at += pieceBytes) {
        for (const frame of frames.read(bytes.subarray(at, at + pieceBytes))) {
          if (frame.sequence !== count) throw new Error('a frame out of order')
          count += 1
          if (count * 32 > bytes.length) throw new Error('more frames than there are bytes')
        }
      }
      frames.end()
    } catch (error) {
      checkRefusal(error, ['checkpoint-unusable'])
    }
  },
  { share: 0.1 },
)

const [{ identity } = {}] = manifests
const files = { 'pages-1-1.bin': segment([0, 2], [2, 2]), 'pages-1-2.bin': segment([1, 1]) }
const checkpoint = encodeManifest({
  workload: 'job',
  identity: identity as CheckpointManifest['identity'],
  step: 5,
  epoch: 1,
  smallState: encodeValue({ seed: 1 }),
  spool: [],
  segments: Object.entries(files).map(([file, bytes]) => ({
    file,
    byteLength: bytes.length,
    digest: createHash('sha256').update(bytes).digest('hex'),
  })),
})

function diskOf(contents: Readonly<Record<string, Buffer>>): Files {
  return {
    open: async (path: string) => {
      const bytes = contents[path.slice(path.lastIndexOf('/') + 1)]
      if (bytes === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
      return {
        byteLength: bytes.length,
        read: async (into: Buffer, position: number) => bytes.copy(into, 0, position),
        close: async () => {},
      }
    },
  } as unknown as Files
}

fuzz(
  'loadCheckpoint: all of its pages, or checkpoint-unusable and memory as it was',
  fc.tuple(
    fc.constantFrom(MANIFEST_FILE, 'pages-1-1.bin', 'pages-1-2.bin'),
    fc.nat(2),
    almost([checkpoint, ...Object.values(files)], { hot: 200, seal: manifestSealed }),
  ),
  async ([name, missing, bytes]) => {
    const contents: Record<string, Buffer> = { [MANIFEST_FILE]: checkpoint, ...files, [name]: bytes }
    if (missing === 0 && name !== MANIFEST_FILE) delete contents[name]
    const paged = Buffer.alloc(PAGES * PAGE_BYTES)
    const expected = {
      workload: 'job',
      identity: identity as CheckpointManifest['identity'],
      pageCount: PAGES,
      steps: 9,
    }
    try {
      await loadCheckpoint(new CheckpointFolder('/x', diskOf(contents)), expected, paged)
      if (!paged.equals(image)) throw new Error('another memory than was written')
    } catch (error) {
      checkRefusal(error, ['checkpoint-unusable'])
      if (!paged.equals(empty)) throw new Error('something was installed of what can not be used')
    }
  },
  { share: 0.05 },
)

// --- An agent's folder

const launches = examplesOf(workerLaunch, 20, seedFor('launch.json')).map((launch) =>
  JSON.stringify(launch, undefined, 2),
)

fuzz(
  'launch.json: what a worker starts with passes its schema, or it does not start',
  almostText(launches),
  (text) => {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      return
    }
    valueOrRefusal(() => checkMessage(workerLaunch, value), ['bad-message'])
  },
  { share: 0.2 },
)

const worker = {
  path: join(folder, 'w'),
  socketPath: join(folder, 'w/worker.sock'),
  logPath: join(folder, 'w/output.log'),
}
mkdirSync(worker.path)

fuzz(
  "a worker's folder: who it is is known, or it is nobody's",
  fc.tuple(
    almostText(launches),
    almostText(['123\n', '1', '4294967296', '']),
    almost([Buffer.from('said\n\u001b[31mred\n'.repeat(99))]),
  ),
  ([launch, pid, log]) => {
    writeFileSync(join(worker.path, 'launch.json'), launch)
    writeFileSync(join(worker.path, 'pid'), pid)
    writeFileSync(worker.logPath, log)
    const passport = readPassport(worker)
    if (passport !== undefined && passport.launchDigest !== createHash('sha256').update(launch).digest('hex'))
      throw new Error('a digest of something else')
    // One is no worker of this folder, and the mutations of its number are nobody of ours.
    if (pid.trim() !== '' && findWorker(worker) !== undefined) throw new Error('a process that is not ours')
    const tail = logTail(worker.logPath)
    if (tail.length > 2000 || [...tail].some((letter) => letter < ' ' && letter !== '\n' && letter !== '\t'))
      throw new Error('a tail that is too long, or has colours')
    readCluster(worker.path)
  },
  { share: 0.02 },
)

const WHATEVER = [
  'agent.sock',
  'cluster',
  'checkpoints',
  'w1',
  'w2',
  '.probe-1',
  'lost+found',
  '...',
  'x'.repeat(200),
]
const THINGS = ['file', 'folder', 'withLaunch', 'launchIsFolder', 'launchIsLoop', 'dangling', 'loop'] as const
let folders = 0

fuzz(
  "an agent's folder in which anything lies",
  fc.dictionary(fc.constantFrom(...WHATEVER), fc.constantFrom(...THINGS), { noNullPrototype: true }),
  (entries) => {
    folders += 1
    const path = join(folder, `d${folders}`)
    mkdirSync(path)
    for (const [name, thing] of Object.entries(entries)) put(join(path, name), thing)
    const kept = valueOrRefusal(() => new DataDir(path), ['bad-arguments'])
    if (kept === undefined) throw new Error('an agent that does not start because of what lies in its folder')
    for (const { folder: left } of kept.left()) readPassport(left)
    rmSync(path, { recursive: true, force: true })
  },
  { share: 0.005 },
)

function put(path: string, thing: (typeof THINGS)[number]): void {
  if (thing === 'file') return writeFileSync(path, 'x')
  if (thing === 'dangling') return symlinkSync(`${path}-nowhere`, path)
  if (thing === 'loop') return symlinkSync(path, path)
  mkdirSync(path)
  const launch = join(path, 'launch.json')
  if (thing === 'withLaunch') writeFileSync(launch, '{')
  if (thing === 'launchIsFolder') mkdirSync(launch)
  if (thing === 'launchIsLoop') symlinkSync(launch, launch)
}

// --- A coordinator's folder

const records = [
  { order: 1, host: 'a', status: 'running', restarts: { count: 0 } },
  { order: 2, savedAtMs: 0.5, state: { name: 'moving', plan: { startedAtMs: 1 } }, lostTimeMs: null },
].map((record) => encodeValue(record))

fuzz(
  "a coordinator's records: read, or refused with a kind",
  almost(records),
  async (bytes) => {
    const store = new MemoryStore()
    await store.put('workload/a', records[0] as Buffer)
    await store.put('workload/b', bytes)
    try {
      const all = await readAll(store, 'workload/')
      if (all.some((record) => typeof record !== 'object' || record === null))
        throw new Error('a record that is none')
    } catch (error) {
      checkRefusal(error, ['store-unusable'])
    }
  },
  { share: 0.1 },
)

const auditLine = JSON.stringify({
  atMs: 1,
  who: 't1',
  address: '::1',
  action: 'stop',
  workload: 'job',
  outcome: 'ok',
  previous: '0'.repeat(64),
})
const auditText = Buffer.from(`${auditLine}\n${auditLine}\n${auditLine.slice(0, 40)}\n${auditLine}\n`)
const auditFile = join(folder, 'audit.log')

fuzz(
  'an audit log: its entries pass their schema, it can be added to, and what was changed shows',
  almost([auditText, Buffer.from(`${auditLine}\n`)]),
  async (bytes) => {
    writeFileSync(auditFile, bytes)
    let log: AuditLog
    try {
      log = await AuditLog.open(folder, silent as never)
    } catch (error) {
      checkRefusal(error, ['store-unusable'])
      return
    }
    try {
      const before = await log.latest({ limit: 10 })
      await log.append({ atMs: 2, who: 'me', address: '', action: 'run', outcome: 'ok' })
      const after = await log.latest({ limit: 11 })
      if (after.length !== before.length + 1 || after.at(-1)?.who !== 'me')
        throw new Error('what was added is not there')
    } finally {
      await log.close()
    }
    await verifyChain(bytes.toString().split('\n'))
  },
  { share: 0.01 },
)
