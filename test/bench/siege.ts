/**
 * `npm run siege`: what an attack on our sockets costs the job beside them, in steps, memory, sockets and files.
 *
 * A real cluster on this machine, and a job whose steps are some milliseconds of work. An attacker in a process of its own, of equal priority, floods
 * one of our doors: the coordinator's port, the door of a migration that takes long, the agent's socket. It takes a core while it does, and here two
 * cores are all there are; that is not what our processes cost. So the same attacker also attacks a process that is not ours, reads all that comes and does
 * nothing (siege-sink.ts): the ratio is of steps beside one that attacks us to steps beside that.
 *
 * Machines change from second to second. So slices are short (`--seconds`, 1.2), each round (`--rounds`, 12) has one of each kind, one right after the other, in
 * turning order, and only slices of the same round are compared: the figure is the median of the rounds' ratios, and its quartiles say how far to trust it. What
 * comes in the first third of a slice is not counted: it is on its way from the one before. Nothing is asserted: test/hostile*.test.ts do
 * that, of counts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Held, heldBy } from '../support/attacker.ts'
import { Cluster, type Follower } from '../support/cluster.ts'
import { portsOf } from '../support/processes.ts'
import { median } from './figures.ts'
import type { Attack, Counts } from './siege-attacker.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '1.2' }, rounds: { type: 'string', default: '12' } },
})
const seconds = Number(values.seconds)
const rounds = Number(values.rounds)
if (!(seconds > 0 && seconds <= 120 && Number.isInteger(rounds) && rounds > 0)) {
  console.error('usage: siege [--seconds 1.2] [--rounds 12]')
  process.exit(2)
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

/** A child that answers with lines. */
class Script {
  readonly child: ChildProcess
  readonly #lines: AsyncIterator<string>

  constructor(file: string) {
    this.child = spawn(process.execPath, ['--import', 'tsx', here(file)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.child.stdout === null) throw new Error('bug: no pipe')
    this.#lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error('it ended')
    return value
  }

  async asked<Answer>(question: unknown): Promise<Answer> {
    this.child.stdin?.write(`${JSON.stringify(question)}\n`)
    return JSON.parse(await this.line()) as Answer
  }
}

const UNCOUNTED_SHARE = 1 / 3

/** Median of the steps that the job takes while `during` lasts, which is so long, its first third left out. */
async function stepsDuring(job: Follower, ms: number, during: Promise<unknown>): Promise<number> {
  await delay(ms * UNCOUNTED_SHARE)
  const first = job.outputs.length
  await during
  return median(job.outputs.slice(first).map(({ stepMs }) => stepMs))
}

/** First quartile, median, third quartile. */
function quartiles(numbers: readonly number[]): [number, number, number] {
  const sorted = numbers.toSorted((a, b) => a - b)
  const half = Math.floor(sorted.length / 2)
  const [low, high] = [sorted.slice(0, half), sorted.slice(sorted.length - half)]
  return [
    low.length === 0 ? median(sorted) : median(low),
    median(sorted),
    high.length === 0 ? median(sorted) : median(high),
  ]
}

function most(a: Held | undefined, b: Held): Held {
  if (a === undefined) return b
  return {
    residentBytes: Math.max(a.residentBytes, b.residentBytes),
    files: Math.max(a.files, b.files),
    sockets: Math.max(a.sockets, b.sockets),
  }
}

function show(held: Record<string, Held>): string {
  return Object.entries(held)
    .map(
      ([name, { residentBytes, files, sockets }]) =>
        `${name} ${(residentBytes / 2 ** 20).toFixed(0)} MiB, ${files} files, ${sockets} sockets`,
    )
    .join('; ')
}

/** Looks at the processes as long as `during` lasts: most that each held. */
async function heldDuring(
  pids: Record<string, number>,
  during: Promise<unknown>,
): Promise<Record<string, Held>> {
  const held: Record<string, Held> = {}
  const timer = setInterval(() => {
    for (const [name, pid] of Object.entries(pids)) held[name] = most(held[name], heldBy(pid))
  }, 100)
  await during
  clearInterval(timer)
  return held
}

const sliceMs = seconds * 1000
const KINDS = ['peace', 'other', 'ours'] as const
type Kind = (typeof KINDS)[number]
/** Each kind comes first, second and last equally often, and after each other kind. */
const ORDERS: readonly (readonly [Kind, Kind, Kind])[] = [
  ['peace', 'other', 'ours'],
  ['ours', 'other', 'peace'],
  ['other', 'ours', 'peace'],
  ['peace', 'ours', 'other'],
  ['ours', 'peace', 'other'],
  ['other', 'peace', 'ours'],
]

const cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
const sink = new Script('./siege-sink.ts')
const attacker = new Script('./siege-attacker.ts')
try {
  const other: Attack['at'] = { port: Number(await sink.line()) }
  const size = ['--param', 'pages=8192', '--param', 'dirtyPages=2000', '--param', 'stepMs=0']
  const job = await cluster.run('mixer', 'a', 'job', '--steps', '100000000', ...size)
  const pids = {
    coordinator: cluster.coordinatorPid(),
    agent: cluster.agentPid('a'),
    worker: cluster.worker('a', 'job').pid,
  }
  const heldNow = (): Record<string, Held> =>
    Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, heldBy(pid)]))
  await job.reached(1000)
  console.log(`in peace: ${show(heldNow())}`)

  const slice = async (attack: Attack | undefined): Promise<number> => {
    const during = attack === undefined ? delay(sliceMs) : attacker.asked<Counts>(attack)
    return stepsDuring(job, sliceMs, during)
  }
  const besiege = async (name: string, at: Attack['at'], path: string): Promise<void> => {
    const toOther: number[] = []
    const toPeace: number[] = []
    let held: Record<string, Held> = {}
    const attacks: Record<Kind, Attack | undefined> = {
      peace: undefined,
      other: { at: other, path, ms: sliceMs },
      ours: { at, path, ms: sliceMs },
    }
    for (let round = 0; round < rounds; round++) {
      const stepMs: Record<Kind, number> = { peace: Number.NaN, other: Number.NaN, ours: Number.NaN }
      for (const kind of ORDERS[round % ORDERS.length] ?? KINDS) {
        const taken = slice(attacks[kind])
        if (kind === 'ours')
          for (const [process, each] of Object.entries(await heldDuring(pids, taken)))
            held = { ...held, [process]: most(held[process], each) }
        stepMs[kind] = await taken
      }
      toOther.push(stepMs.ours / stepMs.other)
      toPeace.push(stepMs.ours / stepMs.peace)
      const [peace, beside, under] = KINDS.map((kind) => stepMs[kind].toFixed(2))
      console.error(
        `${name}, ${round + 1} of ${rounds}: ${peace} ms a step in peace, ${beside} beside an attack on somebody else, ${under} beside one on us`,
      )
    }
    console.log(
      `${name}: ${said(toOther)} of a step beside an attack on somebody else, ${said(toPeace)} of one in peace; most: ${show(held)}`,
    )
  }
  const port = Number(new URL(cluster.url).port)
  await besiege('coordinator /api/v1/events', { port }, '/api/v1/events')
  await besiege('coordinator /agent', { port }, '/agent')
  await besiege('agent.sock', { path: join(cluster.dataDir('a'), 'agent.sock') }, '/')

  // So slow that it lasts, and so small a limit that it does not end by itself.
  const slow = ['--max-bandwidth', '1MB', '--downtime-limit-ms', '1', '--park-point', 'boundary']
  const moving = cluster.start('migrate', 'job', '--to', 'b', ...slow)
  await job.migrationIs('active')
  const [door] = portsOf(pids.worker)
  if (door === undefined) throw new Error('the migration has no door')
  await besiege('door of a migration', { port: door }, '/control')
  await cluster.godwit('cancel', 'job')
  await moving.exited
  await job.goesOn()
  console.log(`in peace again: ${show(heldNow())}`)
} finally {
  sink.child.kill()
  attacker.child.kill()
  await cluster.end()
}

function said(ratios: readonly number[]): string {
  const [first, middle, third] = quartiles(ratios).map((ratio) => ratio.toFixed(2))
  return `${middle} (quartiles ${first} and ${third})`
}
