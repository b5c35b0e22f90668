/**
 * `npm run siege`: what an attack on our sockets costs the job beside them, in steps, memory, sockets and files.
 *
 * A real cluster on this machine, and a job whose steps are some milliseconds of work. An attacker in a process of its own, of equal priority, floods
 * one of our doors: the coordinator's port, the door of a migration that takes long, the agent's socket. It takes a core while it does, and here two
 * cores are all there are; that is not what our processes cost. So the same attacker first attacks a process that is not ours, reads all that comes and does nothing
 * (siege-sink.ts): the steps under that are what the job has beside such an attacker, and the ratio is of steps beside one that attacks us to those.
 *
 * Each figure is the median of steps within an attack of `--seconds` (10). Attack and comparison take turns, `--rounds` (3) times, as machines change from
 * minute to minute. Nothing is asserted: test/hostile*.test.ts do that, of counts.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Held, heldBy } from '../support/attacker.ts'
import { Cluster, type Follower } from '../support/cluster.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' } },
})
const seconds = Number(values.seconds)
const rounds = Number(values.rounds)
if (!(seconds > 0 && seconds <= 120 && Number.isInteger(rounds) && rounds > 0)) {
  console.error('usage: siege [--seconds 10] [--rounds 3]')
  process.exit(2)
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url))

interface Counts {
  readonly connections: number
  readonly frames: number
}

function script(file: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--import', 'tsx', here(file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = new Promise<string>((resolve) =>
    createInterface({ input: child.stdout }).once('line', resolve),
  )
  return { child, line }
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

interface Siege {
  readonly stepMs: number
  readonly counts: Counts
  /** Most that each process held, of all looks at it. */
  readonly held: Record<string, Held>
}

/** Median of the steps that the job takes while `during` lasts. */
async function stepsDuring(job: Follower, during: Promise<unknown>): Promise<number> {
  const first = job.outputs.length
  await during
  return median(job.outputs.slice(first).map(({ stepMs }) => stepMs))
}

function most(a: Held | undefined, b: Held): Held {
  if (a === undefined) return b
  return {
    residentBytes: Math.max(a.residentBytes, b.residentBytes),
    files: Math.max(a.files, b.files),
    sockets: Math.max(a.sockets, b.sockets),
  }
}

async function siege(job: Follower, pids: Record<string, number>, at: string, path: string): Promise<Siege> {
  const held: Record<string, Held> = {}
  const look = (): void => {
    for (const [name, pid] of Object.entries(pids)) held[name] = most(held[name], heldBy(pid))
  }
  const timer = setInterval(look, 100)
  const { line } = script('./siege-attacker.ts', at, path, String(seconds))
  const stepMs = await stepsDuring(job, line)
  clearInterval(timer)
  return { stepMs, counts: JSON.parse(await line) as Counts, held }
}

/** Ports on which a process listens on loopback: what /proc/net/tcp says of the sockets among its files. */
function listeningPorts(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((file) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${file}`))?.[1] ?? []
      } catch {
        return []
      }
    }),
  )
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .slice(1)
    .map((row) => row.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === '0A' && inodes.has(inode ?? ''))
    .map(([, address]) => Number.parseInt((address ?? '').split(':')[1] ?? '', 16))
}

function show(held: Record<string, Held>): string {
  return Object.entries(held)
    .map(
      ([name, { residentBytes, files, sockets }]) =>
        `${name} ${(residentBytes / 2 ** 20).toFixed(0)} MiB, ${files} files, ${sockets} sockets`,
    )
    .join('; ')
}

const cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
const sink = script('./siege-sink.ts')
try {
  const sinkPort = await sink.line
  const size = ['--param', 'pages=8192', '--param', 'dirtyPages=2000', '--param', 'stepMs=0']
  const job = await cluster.run('mixer', 'a', 'job', '--steps', '100000000', ...size)
  const pids = {
    coordinator: cluster.coordinatorPid(),
    agent: cluster.agentPid('a'),
    worker: cluster.worker('a', 'job').pid,
  }
  const heldNow = (): Record<string, Held> =>
    Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, heldBy(pid)]))
  await job.reached(300)
  const peace = await stepsDuring(job, job.reached(job.outputs.length + 500))
  console.log(`in peace: ${peace.toFixed(2)} ms a step; ${show(heldNow())}`)

  const doors: [string, string, string][] = [
    ['coordinator /client', new URL(cluster.url).port, '/client'],
    ['coordinator /agent', new URL(cluster.url).port, '/agent'],
    ['agent.sock', join(cluster.dataDir('a'), 'agent.sock'), '/'],
  ]
  const attack = async (name: string, at: string, path: string): Promise<void> => {
    const ratios: number[] = []
    for (let round = 0; round < rounds; round++) {
      const sunk = await siege(job, {}, sinkPort, path)
      const ours = await siege(job, pids, at, path)
      ratios.push(ours.stepMs / sunk.stepMs)
      const { connections, frames } = ours.counts
      console.log(
        `${name}: ${ours.stepMs.toFixed(2)} ms a step, ${sunk.stepMs.toFixed(2)} beside the same attack on somebody else (${(ours.stepMs / sunk.stepMs).toFixed(2)}); ${connections} connections, ${frames} frames; most: ${show(ours.held)}`,
      )
    }
    console.log(`${name}: median ratio ${median(ratios).toFixed(2)}`)
  }
  for (const [name, at, path] of doors) await attack(name, at, path)

  // So slow that it lasts, and so small a limit that it does not end by itself.
  const known = new Set(listeningPorts(pids.worker))
  const moving = cluster.start(
    ...[
      'migrate',
      'job',
      '--to',
      'b',
      '--max-bandwidth',
      '1MB',
      '--downtime-limit-ms',
      '1',
      '--park-point',
      'boundary',
    ],
  )
  await job.migrationIs('active')
  const [port] = listeningPorts(pids.worker).filter((each) => !known.has(each))
  if (port === undefined) throw new Error('the migration has no door')
  await attack('door of a migration', String(port), '/control')
  await cluster.godwit('cancel', 'job')
  await moving.exited
  await job.goesOn()
  const after = await stepsDuring(job, job.reached(job.outputs.length + 500))
  console.log(`in peace again: ${after.toFixed(2)} ms a step; ${show(heldNow())}`)
} finally {
  sink.child.kill()
  await cluster.end()
}
