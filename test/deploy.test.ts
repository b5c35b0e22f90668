/**
 * Goal: what a host's container begins with keeps an agent running, and lets jobs leave before it ends one. Method: deploy/host.sh as it is, in a
 * folder where agent and evacuation are a few lines of our own that write down what happens to them. What needs a docker engine is in
 * test/compose.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { REPOSITORY } from './support/cluster.ts'
import { killAll, makeTemporary, Running } from './support/processes.ts'

/** Writes down that it started, with its arguments, and that it was told to end. */
const AGENT = `
import { appendFileSync } from 'node:fs'
const tell = (line) => appendFileSync('told', line + '\\n')
process.on('SIGTERM', () => { tell('agent told to end'); process.exit(7) })
tell('agent ' + process.pid + ' ' + process.argv.slice(2).join(' ') + ' token in ' + process.env.GODWIT_JOIN_TOKEN_FILE)
console.log('{"registered":{}}')
setInterval(() => {}, 1000)
`

let folder: string
let temporary: string
let host: Running
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gwt-'))
  temporary = join(folder, 'tmp')
  mkdirSync(join(folder, 'packages/agent/dist'), { recursive: true })
  mkdirSync(join(folder, 'deploy'))
  writeFileSync(join(folder, 'packages/agent/dist/main.mjs'), AGENT)
  copyFileSync(join(REPOSITORY, 'deploy/host.sh'), join(folder, 'deploy/host.sh'))
})
afterEach(() => {
  killAll(temporary)
  rmSync(folder, { recursive: true, force: true })
})

/** `evacuation`: what entering maintenance does, a script of the shell. */
function startHost(evacuation: string): void {
  writeFileSync(join(folder, 'deploy/maintenance.sh'), `[ $1 = enter ] || exit 0\n${evacuation}`)
  const args = ['deploy/host.sh', 'a', 'rack', '--flag', 'of the agent']
  host = new Running('sh', args, {
    cwd: folder,
    env: { ...makeTemporary(temporary), GODWIT_EVACUATION_S: '60' },
  })
}

function told(): string[] {
  const file = join(folder, 'told')
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
}

/** Looked for again and again: a file tells nobody that it has changed. */
async function toldSo(...lines: RegExp[]): Promise<string[]> {
  for (;;) {
    const all = told()
    if (all.length >= lines.length) {
      for (const [index, line] of lines.entries()) expect(all[index]).toMatch(line)
      return all
    }
    await delay(20)
  }
}

/** Of the agent that was started last. */
function agentPid(): number {
  const started = told().filter((line) => /^agent \d/.test(line))
  return Number(started.at(-1)?.split(' ')[1])
}

const STARTED =
  /^agent \d+ --name a --fault-domain rack .*--flag of the agent token in \/run\/godwit\/join-token$/

test('an agent that is killed is started again, with its arguments', async () => {
  startHost('')
  await toldSo(STARTED)
  process.kill(agentPid(), 'SIGKILL')
  await toldSo(STARTED, STARTED)
  expect(host.err).toMatch(/the agent ended \(137\) and is started again in 1 s; its workers train on/)
  process.kill(agentPid(), 'SIGKILL')
  await host.until(() => /started again in 2 s/.test(host.err), 'it waits longer the second time')
})

test('SIGTERM: jobs leave, then the agent is told to end, and how it ended is how all ends', async () => {
  startHost('echo "evacuates $2" >>told')
  await toldSo(STARTED)
  expect(await host.end('SIGTERM')).toBe(7)
  expect(told().slice(1)).toEqual(['evacuates a', 'agent told to end'])
})

test('jobs that cannot leave are said, and the agent is told to end all the same', async () => {
  startHost('exit 1')
  await toldSo(STARTED)
  expect(await host.end('SIGTERM')).toBe(7)
  expect(host.err).toMatch(/not all of its jobs could leave/)
})

test('an agent that is killed while jobs leave is started again: they need it', async () => {
  startHost('echo evacuates >>told; until [ -e go ]; do sleep 0.05; done')
  await toldSo(STARTED)
  const ended = host.end('SIGTERM')
  await toldSo(STARTED, /^evacuates$/)
  process.kill(agentPid(), 'SIGKILL')
  await toldSo(STARTED, /^evacuates$/, STARTED)
  writeFileSync(join(folder, 'go'), '')
  expect(await ended).toBe(7)
  expect(told().at(-1)).toBe('agent told to end')
})

test('a second SIGTERM changes nothing', async () => {
  startHost('echo evacuates >>told; until [ -e go ]; do sleep 0.05; done')
  await toldSo(STARTED)
  host.child.kill('SIGTERM')
  await toldSo(STARTED, /^evacuates$/)
  const ended = host.end('SIGTERM')
  writeFileSync(join(folder, 'go'), '')
  expect(await ended).toBe(7)
  expect(told().filter((line) => line === 'evacuates')).toHaveLength(1)
})
