/**
 * Goal: hosts need nothing but an agent. A program that lay on nobody's disk but its author's, and not even there any more, trains, moves there and back
 * and is restarted, to the bit; and whoever is killed while it is brought goes on from what is there. Method: secured clusters of real processes
 * whose hosts have no folder of programs; agent and coordinator die after so many chunks, and what is fetched afterwards is counted.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LIMITS, parseManifest } from '@godwit/protocol'
import { afterEach, expect, test } from 'vitest'
import { Cluster, type Follower, finished } from './support/cluster.ts'
import { expectSameBits } from './support/same-bits.ts'

const CHUNK = LIMITS.bundleChunkBytes
/** Some minutes of them, unless they are told to hurry. */
const STEPS = 8000

let cluster: Cluster | undefined
let author: string | undefined
afterEach(async () => {
  if (author !== undefined) rmSync(author, { recursive: true, force: true })
  await cluster?.end()
})

/** Numbers that come out the same each time, and no two chunks of which are equal. */
function numbers(bytes: number, seed: number): Buffer {
  const words = new Uint32Array(bytes / 4)
  for (let at = 0; at < words.length; at++) words[at] = Math.imul(at + seed, 2654435761) ^ at
  return Buffer.from(words.buffer)
}

/** What the author wrote: each loss is made of all that is brought along. */
const PROGRAM = `import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { defineProgram } from '@godwit/worker/contract'
import { mix } from './mix.ts'

const sleeper = new Int32Array(new SharedArrayBuffer(4))
const wordsOf = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer)

export default defineProgram<{ step: number }>({
  name: 'brought',
  parameters: { hurryFile: '' },
  setup(context) {
    const rows = wordsOf(context.localFile('rows.bin'))
    const folder = context.dataPath('pictures')
    const pictures = readdirSync(folder).sort().map((name) => wordsOf(readFileSync(join(folder, name))))
    const sums = context.tensor('sums', 'uint32', [2048])
    return {
      init() {
        sums.fill(1)
        return { step: 0 }
      },
      step(state) {
        if (!existsSync(String(context.parameters.hurryFile))) Atomics.wait(sleeper, 0, 0, 25)
        const picture = pictures[state.step % pictures.length]
        const at = state.step % sums.length
        sums[at] = mix(sums[at] + rows[(state.step * 7) % rows.length], picture[state.step % picture.length])
        state.step += 1
        return { loss: sums[at] / 2 ** 32 }
      },
    }
  },
})
`

/** In a folder that is the author's alone, where nothing is installed. */
function write(rowBytes: number): string {
  author = mkdtempSync(join(tmpdir(), 'gwt-author-'))
  mkdirSync(join(author, 'pictures'))
  writeFileSync(join(author, 'train.ts'), PROGRAM)
  writeFileSync(
    join(author, 'mix.ts'),
    'export const mix = (a: number, b: number): number => Math.imul(a ^ b, 2246822519) >>> 0\n',
  )
  writeFileSync(join(author, 'rows.bin'), numbers(rowBytes, 1))
  for (const at of [1, 2, 3]) writeFileSync(join(author, 'pictures', `${at}.bin`), numbers(4096, 100 * at))
  return join(author, 'train.ts')
}

/** Bytes of the bundle on this host's disk that are what they should be. */
function rightBytes(host: Cluster, name: string, digest: string): number {
  const folder = join(host.dataDir(name), 'bundles', digest)
  let right = 0
  for (const { path, chunks } of parseManifest(readFileSync(join(folder, 'manifest'))).files) {
    let bytes: Buffer
    try {
      bytes = readFileSync(join(folder, 'files', path))
    } catch {
      continue
    }
    for (const [at, chunk] of chunks.entries()) {
      const there = bytes.subarray(at * CHUNK, (at + 1) * CHUNK)
      if (createHash('sha256').update(there).digest('hex') === chunk) right += there.length
    }
  }
  return right
}

const ended = (follower: Follower): Promise<unknown> =>
  follower.until(() => follower.ended !== undefined, 'its end')

test('a program that no host has trains, moves there and back, and is restarted; an agent that is killed while it fetches goes on from there', {
  timeout: 300_000,
}, async () => {
  cluster = await Cluster.start([], { secured: true })
  const nothing = cluster.programFolder('none')
  await cluster.addHost({ name: 'a', programs: nothing })
  const dies = { GODWIT_CRASH_POINTS: 'agent/after-write:chunk#5' }
  const first = cluster.startAgent({ name: 'b', programs: nothing }, cluster.secrets.join, dies)
  await first.until(() => first.lines.length > 0, 'it was registered')

  const file = write(24 * CHUNK)
  const hurryFile = join(cluster.folder, 'hurry')
  const options = ['--steps', String(STEPS), '--param', `hurryFile=${hurryFile}`]
  const job = await cluster.run(file, 'a', 'job', ...options, '--checkpoint-every', '2s')
  const control = await cluster.run(file, 'a', 'control', ...options)
  rmSync(author as string, { recursive: true })
  const { bundle } = await cluster.workload('job')
  if (bundle === undefined) throw new Error('the job has no bundle')
  expect((await cluster.workload('control')).bundle).toEqual(bundle)

  const refused = await cluster.godwit('migrate', 'job', '--to', 'b', '--compute-only')
  expect([refused.code, refused.said.migration?.error?.kind]).toEqual([1, 'bundle-missing'])
  await job.goesOn()

  // Killed after five chunks, with what was on its way lost.
  const cut = await cluster.godwit('migrate', 'job', '--to', 'b')
  expect(cut.code).toBe(1)
  await cluster.agentGone('b')
  const there = rightBytes(cluster, 'b', bundle.digest)
  expect(there).toBeGreaterThanOrEqual(4 * 4096)
  expect(there).toBeLessThan(bundle.bytes)
  await job.goesOn()

  await cluster.addHost({ name: 'b', programs: nothing })
  const look = await cluster.godwit('migrate', 'job', '--to', 'b', '--dry-run', '--compute-only')
  expect(look.said.preflight?.checks.find(({ check }) => check === 'bundle')).toMatchObject({
    verdict: 'blocker',
  })
  const moved = await cluster.godwit('migrate', 'job', '--to', 'b')
  expect(moved.said.migration).toMatchObject({ status: 'completed' })
  await cluster.agentSaid('b', new RegExp(`"fetchedBytes":${bundle.bytes - there}\\b`))
  const again = await cluster.godwit('migrate', 'job', '--to', 'b', '--dry-run', '--compute-only')
  expect(again.err).toBe('')
  // Should its first host be lost now, the checkpoint is not.
  for (;;) if ((await cluster.workload('job')).checkpoint?.host === 'b') break

  const back = await cluster.godwit('migrate', 'job', '--to', 'a', '--compute-only')
  expect(back.said.migration).toMatchObject({ status: 'completed' })
  process.kill(cluster.worker('a', 'job').pid, 'SIGKILL')
  await job.goesOn()
  expect((await cluster.workload('job')).restarts).toBe(1)

  writeFileSync(hurryFile, '')
  await Promise.all([ended(job), ended(control)])
  expectSameBits(job, control)
  expect(job.ended?.status).toBe('finished')
})

test('an upload goes on when a coordinator that was killed is back, and sends what is missing', async () => {
  cluster = await Cluster.start([], { isDurable: true })
  await cluster.killCoordinator()
  await cluster.startCoordinator(true, { GODWIT_CRASH_POINTS: 'coordinator/after-write:chunk#9' })
  const file = write(24 * CHUNK)
  const run = ['run', file, '--id', 'job', '--steps', '5']
  const running = cluster.start(...run)
  await cluster.coordinatorGone()
  await cluster.startCoordinator(true)
  const { err, said } = await finished(running)
  expect(err).toMatch(/the coordinator is gone.*\n.*the coordinator is back/)
  // All of it is there, and no host is: one that was would not be back in time, or just so.
  expect(said.error?.kind).toBe('host-disconnected')
  await cluster.addHost({ name: 'a', programs: cluster.programFolder('none') })
  expect(await cluster.godwit(...run)).toMatchObject({ code: 0, err: '' })
})
