/**
 * A link of a stated rate and delay between two network namespaces of this machine: two hosts as far as a socket can tell.
 *
 * Needs root, `ip` and `tc`. The rate is a token bucket on both ends. The delay is netem's where the kernel has it; where it has not, a
 * small program holds packets that arrive (`packet-delay.c`, compiled when needed).
 *
 * Invariant: whatever was made is removed, by `close`, at the end of this process, or, if that was killed, by the next that makes a
 * link. The names carry the process's id.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RigPlace } from '@godwit/testkit'

const DELAY_SOURCE = fileURLToPath(new URL('./packet-delay.c', import.meta.url))
const NAMES = /^godwit-(\d+)-\d+[ab]$/
const NAMESPACES_FOLDER = '/run/netns'
/** Addresses for benchmarks of network devices (RFC 2544): nobody routes them. */
const ADDRESSES = ['198.18.77.1', '198.18.77.2'] as const
const [DEVICE, QUEUE] = ['eth0', '1']
/** More than one packet of the largest size that the kernel hands to a device; how long a packet may wait for its turn. */
const [BURST_BYTES, QUEUE_MS] = [128 * 1024, 50]
const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface LinkShape {
  /** Each way. */
  readonly bitsPerSecond: number
  readonly delayMs: number
}

export interface ShapedLink {
  readonly ends: readonly [RigPlace, RigPlace]
  close(): void
}

let made = 0

/** Throws an error that says what this machine or user lacks; then nothing is left behind. */
export async function openShapedLink(shape: LinkShape): Promise<ShapedLink> {
  if (process.geteuid?.() !== 0) throw new Error('a link between network namespaces can only be made by root')
  removeLeftovers()
  made += 1
  const names = [`godwit-${process.pid}-${made}a`, `godwit-${process.pid}-${made}b`] as const
  const helpers: ChildProcess[] = []
  const close = (): void => {
    for (const helper of helpers.splice(0)) helper.kill('SIGKILL')
    for (const name of names) if (namespaces().includes(name)) run('ip', ['netns', 'del', name])
    process.off('exit', close)
    for (const signal of ENDING_SIGNALS) process.off(signal, endBySignal)
  }
  process.on('exit', close)
  for (const signal of ENDING_SIGNALS) process.on(signal, endBySignal)
  try {
    connect(names)
    for (const name of names) await shapeEnd(name, shape, helpers)
    return { ends: [placeAt(names[0], ADDRESSES[0]), placeAt(names[1], ADDRESSES[1])], close }
  } catch (error) {
    close()
    throw error
  }
}

/** Ends as the signal would have, but by way of `exit`. Where somebody else ends things in order, that is left to them. */
function endBySignal(signal: NodeJS.Signals): void {
  if (process.listeners(signal).every((listener) => listener === endBySignal))
    process.exit(128 + constants.signals[signal])
}

function placeAt(name: string, host: string): RigPlace {
  return { command: inside(name), host }
}

function inside(name: string): [string, ...string[]] {
  return ['ip', 'netns', 'exec', name]
}

function connect(names: readonly [string, string]): void {
  for (const name of names) run('ip', ['netns', 'add', name])
  const [first, second] = names
  const pair = ['link', 'add', DEVICE, 'netns', first, 'type', 'veth', 'peer', 'name', DEVICE]
  run('ip', [...pair, 'netns', second])
  for (const [index, name] of names.entries()) {
    run('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
    run('ip', ['-n', name, 'addr', 'add', `${ADDRESSES[index]}/24`, 'dev', DEVICE])
    run('ip', ['-n', name, 'link', 'set', DEVICE, 'up'])
  }
}

async function shapeEnd(
  name: string,
  { bitsPerSecond, delayMs }: LinkShape,
  helpers: ChildProcess[],
): Promise<void> {
  const bucket = ['tbf', 'rate', `${bitsPerSecond}bit`, 'burst', `${BURST_BYTES}`, 'latency', `${QUEUE_MS}ms`]
  const add = [...inside(name), 'tc', 'qdisc', 'add', 'dev', DEVICE]
  if (delayMs > 0 && delaysByNetem(add, { bitsPerSecond, delayMs })) {
    runAll([...add, 'parent', '1:1', 'handle', '2:', ...bucket])
    return
  }
  runAll([...add, 'root', ...bucket])
  if (delayMs > 0) helpers.push(await holdPackets(name, delayMs))
}

/** False on a kernel that has no netem. */
function delaysByNetem(add: readonly string[], { bitsPerSecond, delayMs }: LinkShape): boolean {
  // Its own limit would drop what is under way on a long link: here, small packets enough for a second of it.
  const limit = String(Math.ceil(bitsPerSecond / 8 / 1000))
  try {
    runAll([...add, 'root', 'handle', '1:', 'netem', 'delay', `${delayMs}ms`, 'limit', limit])
    return true
  } catch (error) {
    if (/unknown/i.test((error as Error).message)) return false
    throw error
  }
}

/** For kernels without netem. */
async function holdPackets(name: string, delayMs: number): Promise<ChildProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-delay-'))
  try {
    const program = join(folder, 'packet-delay')
    run('cc', ['-O2', '-o', program, DELAY_SOURCE])
    const helper = spawn('ip', [...inside(name).slice(1), program, QUEUE, String(delayMs * 1000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = once(helper, 'exit').then((): never => {
      throw new Error('neither netem nor a netfilter queue delays packets on this kernel')
    })
    ended.catch(() => {})
    await Promise.race([once(helper.stdout, 'data'), ended])
    const rule = ['-A', 'INPUT', '-i', DEVICE, '-j', 'NFQUEUE', '--queue-num', QUEUE, '--queue-bypass']
    runAll([...inside(name), 'iptables', ...rule])
    return helper
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Of processes that were killed before they could. */
function removeLeftovers(): void {
  for (const name of namespaces()) {
    const pid = NAMES.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) run('ip', ['netns', 'del', name])
  }
}

function namespaces(): string[] {
  try {
    return readdirSync(NAMESPACES_FOLDER)
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function runAll([command, ...args]: readonly string[]): void {
  run(command as string, args)
}

/** Throws with what the command said. */
function run(command: string, args: readonly string[]): void {
  try {
    execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    throw new Error(`${command} ${args.join(' ')}: ${(stderr || message).trim()}`, { cause: error })
  }
}
