/**
 * Hosts on one machine, as far as a socket can tell: network namespaces, each plugged into a switch that is a namespace too, so
 * that nothing of the machine's own network is touched. Links between them have a rate, a delay and losses, and can be cut or unplugged.
 *
 * Needs root, `ip` and `tc`; `iptables` for delay, loss and cuts, a C compiler for delay where the kernel has no netem. The rate is a
 * token bucket on what leaves a host. The delay is netem's where the kernel has it; where it has not, a small program holds packets that arrive
 * (`packet-delay.c`). Losses and cuts are dropped as they arrive.
 *
 * Invariant: whatever was made is removed, by `close` or as soon as this process is gone, however it went: a warden waits for that.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RigPlace } from '@godwit/testkit'

const DELAY_SOURCE = fileURLToPath(new URL('./packet-delay.c', import.meta.url))
/** Addresses for benchmarks of network devices (RFC 2544): nobody routes them. */
const NETWORK = '198.18.77'
const [DEVICE, QUEUE] = ['eth0', '1']
/** More than one packet of the largest size that the kernel hands to a device; how long a packet may wait for its turn. */
const [BURST_BYTES, QUEUE_MS] = [128 * 1024, 50]
/** Removes the namespaces that it is given, and whatever runs in them. */
const REMOVE = `
for name in "$@"; do
  [ -e "/run/netns/$name" ] || continue
  while left=$(ip netns pids "$name") && [ -n "$left" ]; do kill -KILL $left; sleep 0.02; done
  ip netns del "$name"
done 2>/dev/null`

export interface LinkShape {
  /** Of what leaves a host; no limit unless given. */
  readonly bitsPerSecond?: number
  /** Each way. */
  readonly delayMs?: number
  /** The share of packets that is lost, each way. */
  readonly loss?: number
}

interface Host {
  readonly namespace: string
  readonly address: string
  /** Of the switch. */
  readonly port: string
  /** Whose packets do not arrive. */
  readonly deafTo: Set<string>
  loss: number
  delayer: ChildProcess | undefined
  hasRules: boolean
}

let made = 0

export class Network {
  readonly #hosts = new Map<string, Host>()
  readonly #switch: string
  readonly #warden: ChildProcess

  /** Throws an error that says what this machine or user lacks; then nothing is left behind. */
  constructor(names: readonly string[]) {
    if (process.geteuid?.() !== 0) throw new Error('network namespaces can only be made by root')
    made += 1
    const prefix = `godwit-${process.pid}-${made}`
    this.#switch = `${prefix}-switch`
    for (const [index, name] of names.entries()) {
      this.#hosts.set(name, {
        namespace: `${prefix}-${name}`,
        address: `${NETWORK}.${index + 1}`,
        port: `port${index}`,
        deafTo: new Set(),
        loss: 0,
        delayer: undefined,
        hasRules: false,
      })
    }
    // In a session of its own, which no Ctrl-C reaches, and without the environment by which others find what we started.
    this.#warden = spawn('sh', ['-c', `cat >&2; ${REMOVE}`, 'warden', ...this.#namespaces()], {
      detached: true,
      env: { PATH: process.env.PATH },
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#warden.unref()
    try {
      this.#build()
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Where a process of this host runs, and its address. */
  place(name: string): RigPlace & { readonly command: readonly [string, ...string[]] } {
    const { namespace, address } = this.#host(name)
    return { command: inside(namespace), host: address }
  }

  /** From now on the links of these hosts, or all, are like this. What is under way on a link that becomes shorter is lost. */
  async shape(shape: LinkShape, names?: readonly string[]): Promise<void> {
    const hosts = [...(names ?? this.#hosts.keys())].map((name) => this.#host(name))
    const { delayMs = 0, loss = 0 } = shape
    const held: Host[] = []
    for (const host of hosts) {
      host.delayer?.kill('SIGKILL')
      host.delayer = undefined
      host.loss = loss
      if (!schedule(host.namespace, shape)) held.push(host)
    }
    await holdPackets(held, delayMs)
    for (const host of hosts) filter(host)
  }

  /** What `from` sends no longer arrives at `to`. */
  cut(from: string, to: string): void {
    const host = this.#host(to)
    host.deafTo.add(this.#host(from).address)
    filter(host)
  }

  /** Undoes every `cut`. */
  heal(): void {
    for (const host of this.#hosts.values()) {
      host.deafTo.clear()
      filter(host)
    }
  }

  /** Takes the host's cable out. */
  unplug(name: string): void {
    run('ip', ['-n', this.#switch, 'link', 'set', this.#host(name).port, 'down'])
  }

  plug(name: string): void {
    run('ip', ['-n', this.#switch, 'link', 'set', this.#host(name).port, 'up'])
  }

  /** Ends what runs on the hosts, and removes them. */
  close(): void {
    run('sh', ['-c', REMOVE, 'close', ...this.#namespaces()])
    this.#warden.stdin?.end()
  }

  #build(): void {
    for (const namespace of this.#namespaces()) run('ip', ['netns', 'add', namespace])
    const cabinet = ['-n', this.#switch, 'link']
    run('ip', [...cabinet, 'add', 'bridge', 'type', 'bridge'])
    run('ip', [...cabinet, 'set', 'bridge', 'up'])
    for (const { namespace, address, port } of this.#hosts.values()) {
      const cable = ['link', 'add', DEVICE, 'netns', namespace, 'type', 'veth']
      run('ip', [...cable, 'peer', 'name', port, 'netns', this.#switch])
      run('ip', [...cabinet, 'set', port, 'master', 'bridge', 'up'])
      run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
      run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', DEVICE])
      run('ip', ['-n', namespace, 'link', 'set', DEVICE, 'up'])
    }
  }

  #namespaces(): string[] {
    return [this.#switch, ...[...this.#hosts.values()].map(({ namespace }) => namespace)]
  }

  #host(name: string): Host {
    const host = this.#hosts.get(name)
    if (host === undefined) throw new Error(`bug in a test: there is no host ${name}`)
    return host
  }
}

export interface ShapedLink {
  readonly ends: readonly [RigPlace, RigPlace]
  close(): void
}

/** Two hosts and what lies between them. Throws an error that says what this machine or user lacks; then nothing is left behind. */
export async function openShapedLink(shape: LinkShape): Promise<ShapedLink> {
  const network = new Network(['a', 'b'])
  try {
    await network.shape(shape)
    return { ends: [network.place('a'), network.place('b')], close: () => network.close() }
  } catch (error) {
    network.close()
    throw error
  }
}

function inside(namespace: string): [string, ...string[]] {
  return ['ip', 'netns', 'exec', namespace]
}

/** What leaves the host: its rate, and its delay on a kernel that has netem. False where that remains to be done. */
function schedule(namespace: string, shape: LinkShape): boolean {
  const { bitsPerSecond, delayMs = 0 } = shape
  const queueing = [...inside(namespace), 'tc', 'qdisc']
  const byNetem = delayMs > 0 && delaysByNetem(queueing, shape)
  if (bitsPerSecond !== undefined) {
    const bucket = [
      'tbf',
      'rate',
      `${bitsPerSecond}bit`,
      'burst',
      `${BURST_BYTES}`,
      'latency',
      `${QUEUE_MS}ms`,
    ]
    const where = byNetem ? ['add', 'dev', DEVICE, 'parent', '1:1'] : ['replace', 'dev', DEVICE, 'root']
    runAll([...queueing, ...where, 'handle', '2:', ...bucket])
  } else if (!byNetem) runAll([...queueing, 'replace', 'dev', DEVICE, 'root', 'pfifo'])
  return byNetem || delayMs === 0
}

/** False on a kernel that has no netem. */
function delaysByNetem(queueing: readonly string[], { bitsPerSecond = 1e9, delayMs }: LinkShape): boolean {
  // Its own limit would drop what is under way on a long link: here, small packets enough for a second of it.
  const limit = String(Math.ceil(bitsPerSecond / 8 / 1000))
  const netem = ['netem', 'delay', `${delayMs}ms`, 'limit', limit]
  try {
    runAll([...queueing, 'replace', 'dev', DEVICE, 'root', 'handle', '1:', ...netem])
    return true
  } catch (error) {
    if (/unknown/i.test((error as Error).message)) return false
    throw error
  }
}

/** For kernels without netem. */
async function holdPackets(hosts: readonly Host[], delayMs: number): Promise<void> {
  if (hosts.length === 0) return
  const folder = mkdtempSync(join(tmpdir(), 'godwit-delay-'))
  try {
    const program = join(folder, 'packet-delay')
    run('cc', ['-O2', '-o', program, DELAY_SOURCE])
    for (const host of hosts) {
      const [command, ...args] = [...inside(host.namespace), program, QUEUE, String(delayMs * 1000)]
      const delayer = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(delayer, 'exit').then((): never => {
        throw new Error('neither netem nor a netfilter queue delays packets on this kernel')
      })
      ended.catch(() => {})
      await Promise.race([once(delayer.stdout, 'data'), ended])
      host.delayer = delayer
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What arrives at the host: all its rules anew, at once. What was delayed is lost to a cut that came meanwhile. */
function filter(host: Host): void {
  const { namespace, deafTo, loss, delayer } = host
  const held = delayer === undefined ? [] : [`-A INPUT -i ${DEVICE} -j NFQUEUE --queue-num ${QUEUE}`]
  const dropped = [...deafTo].map((address) => `-A INPUT -s ${address} -j DROP`)
  if (loss > 0) dropped.push(`-A INPUT -i ${DEVICE} -m statistic --mode random --probability ${loss} -j DROP`)
  if (held.length + dropped.length === 0 && !host.hasRules) return
  host.hasRules = true
  const [command, ...args] = [...inside(namespace), 'iptables-restore']
  const table = (name: string, rules: readonly string[]): string[] => [`*${name}`, ...rules, 'COMMIT', '']
  run(command as string, args, [...table('mangle', held), ...table('filter', dropped)].join('\n'))
}

function runAll([command, ...args]: readonly string[]): void {
  run(command as string, args)
}

/** Throws with what the command said. */
function run(command: string, args: readonly string[], input = ''): void {
  try {
    execFileSync(command, args, { input, stdio: ['pipe', 'pipe', 'pipe'], encoding: 'utf8' })
  } catch (error) {
    const { stderr, message, code } = error as NodeJS.ErrnoException & { stderr?: string }
    if (code === 'ENOENT') throw new Error(`${command} is not installed`, { cause: error })
    throw new Error(`${command} ${args.join(' ')}: ${(stderr || message).trim()}`, { cause: error })
  }
}
