/**
 * Goal: a worker whose program has to be brought first is one like the others to the coordinator: it counts from its launch, can be killed, and ends
 * once. Method: a real agent with the tests' worker, and a coordinator that gives its bundle when the test says.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { AGENT_BLOBS_PATH, encodeManifest, PROBLEM_TYPE, RELEASE } from '@godwit/protocol'
import { afterEach, expect, test } from 'vitest'
import { whyNoBundles } from './agent.ts'
import { FakeCoordinator } from './support/fake-coordinator.ts'
import { agentOptions, type Host, startHost, temporaryFolder } from './support/host.ts'

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const PROGRAM = Buffer.from('export default {}')
const MANIFEST = encodeManifest({
  program: 'p.mjs',
  files: [{ path: 'p.mjs', bytes: PROGRAM.length, chunks: [digestOf(PROGRAM)] }],
})
const bundle = { digest: digestOf(MANIFEST), bytes: PROGRAM.length }
const blobs = new Map([MANIFEST, PROGRAM].map((bytes) => [digestOf(bytes), bytes]))

let host: Host
afterEach(() => host?.stop())

/** `given`: settles when the program may go out. */
async function start(
  given: Promise<void> = Promise.resolve(),
  more: Parameters<typeof startHost>[0] = {},
  version?: number,
): Promise<{ asked: string[] }> {
  const asked: string[] = []
  const coordinator = new FakeCoordinator()
  coordinator.answer = { type: 'registered', clusterId: 'test', ...(version !== undefined && { version }) }
  coordinator.http = ({ url = '' }, response) => {
    const digest = url.slice(AGENT_BLOBS_PATH.length + 1)
    asked.push(digest)
    const bytes = blobs.get(digest)
    if (bytes === undefined) response.writeHead(404, { 'content-type': PROBLEM_TYPE }).end('{}')
    else void (bytes === PROGRAM ? given : Promise.resolve()).then(() => response.writeHead(200).end(bytes))
  }
  host = await startHost(more, coordinator)
  return { asked }
}

test('it starts from the bundle, which its folder names, and which stays for the next', async () => {
  const { asked } = await start()
  host.launch('w1', { bundle })
  await host.coordinator.fromWorker('w1', 'prepared')
  const launch = JSON.parse(readFileSync(join(host.dataDir, 'w1', 'launch.json'), 'utf8'))
  expect(launch.programFile).toBe(join(host.dataDir, 'bundles', bundle.digest, 'files', 'p.mjs'))
  expect(launch.bundle).toEqual(bundle)
  expect(asked).toEqual([bundle.digest, digestOf(PROGRAM)])
  host.launch('w2', { bundle, computeOnly: true })
  await host.coordinator.fromWorker('w2', 'prepared')
  expect(asked).toHaveLength(2)
})

test.each([
  [2, [{ type: 'about', release: RELEASE }], [0, PROGRAM.length]],
  [1, [], []],
  [undefined, [], []],
])(
  'where version %s is spoken it says which release it is and how far the bundle is: %o %o',
  async (version, release, progress) => {
    await start(undefined, undefined, version)
    host.launch('w1', { bundle })
    host.launch('w2', { bundle })
    for (const workerId of ['w1', 'w2']) await host.coordinator.fromWorker(workerId, 'prepared')
    const { received } = host.coordinator
    expect(received.filter(({ type }) => type === 'about')).toEqual(release)
    for (const workerId of ['w1', 'w2']) {
      const said = received.filter((each) => each.type === 'fetching' && each.workerId === workerId)
      expect(said.map((each) => (each.type === 'fetching' ? each.progress : undefined))).toEqual(
        progress.map((bytes) => ({ bytes, ofBytes: PROGRAM.length })),
      )
    }
  },
)

test('while it comes it counts as running, and what it is told waits for it', async () => {
  let give: () => void = () => {}
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  await start(given)
  host.launch('w1', { bundle })
  await expect.poll(() => host.agent.workers.ids()).toEqual(['w1'])
  host.coordinator.send({ type: 'toWorker', workerId: 'w1', message: { type: 'acknowledge', step: 7 } })
  host.launch('w1', { bundle })
  give()
  expect(await host.coordinator.fromWorker('w1', 'outputs')).toMatchObject({
    message: { outputs: [{ step: 7 }] },
  })
  expect(host.coordinator.received.filter(({ type }) => type === 'workerExited')).toEqual([])
})

test('one that is killed, or told to stop, while it comes has ended, once, and nothing is started', async () => {
  await start(new Promise(() => {}))
  host.launch('w1', { bundle })
  host.launch('w2', { bundle })
  await expect.poll(() => host.agent.workers.ids()).toEqual(['w1', 'w2'])
  host.coordinator.send({ type: 'kill', workerId: 'w1' })
  host.coordinator.send({ type: 'toWorker', workerId: 'w2', message: { type: 'stop' } })
  for (const workerId of ['w1', 'w2'])
    expect(await host.coordinator.exited(workerId)).not.toHaveProperty('error')
  expect(host.agent.workers.ids()).toEqual([])
  expect(readdirSync(host.dataDir)).not.toContain('w1')
})

test('with compute only, and nothing there, it is not started, and says what is missing', async () => {
  const { asked } = await start()
  host.launch('w1', { bundle, computeOnly: true })
  expect(await host.coordinator.exited('w1')).toMatchObject({ error: { kind: 'bundle-missing' } })
  expect(asked).toEqual([bundle.digest])
  host.coordinator.send({ type: 'checkHost', probeId: 'p', bundle })
  expect(await host.coordinator.first('hostChecked')).toMatchObject({
    host: { bundle: { bytes: bundle.bytes, missingBytes: bundle.bytes } },
  })
})

test('one whose agent ends while it comes is told as ended', async () => {
  await start(new Promise(() => {}))
  host.launch('w1', { bundle })
  await expect.poll(() => host.agent.workers.ids()).toEqual(['w1'])
  await host.agent.workers.stopAll(1)
  expect(await host.coordinator.exited('w1')).toBeDefined()
  expect(existsSync(join(host.dataDir, 'w1'))).toBe(false)
})

test('a host whose operator wants none is brought none, and says so before a move as well', async () => {
  const { asked } = await start(undefined, { bundles: 'refuse' })
  host.launch('w1', { bundle })
  expect(await host.coordinator.exited('w1')).toMatchObject({
    error: { kind: 'forbidden', message: expect.stringContaining('--bundles refuse') },
  })
  host.coordinator.send({ type: 'checkHost', probeId: 'p', bundle })
  expect(await host.coordinator.first('hostChecked')).toMatchObject({
    host: { bundleError: { kind: 'forbidden' } },
  })
  expect(asked).toEqual([])
})

test('unless it is told, a host is brought programs where nobody on the network could bring one', async () => {
  const folder = temporaryFolder()
  const why = (coordinatorUrl: string, isSecured = false, bundles?: 'accept' | 'refuse') =>
    whyNoBundles(
      agentOptions(folder, { coordinatorUrl, ...(bundles !== undefined && { bundles }) }),
      isSecured,
    )
  expect(why('ws://127.0.0.1:7070')).toBeUndefined()
  expect(why('ws://localhost:7070')).toBeUndefined()
  expect(why('wss://coordinator.example:7070', true)).toBeUndefined()
  expect(why('ws://10.0.0.1:7070')).toMatch(/anybody on the network could bring one: .*--bundles accept/)
  expect(why('ws://10.0.0.1:7070', false, 'accept')).toBeUndefined()
  expect(why('wss://coordinator.example:7070', true, 'refuse')).toMatch(/its operator said so/)
  rmSync(folder, { recursive: true })
})
