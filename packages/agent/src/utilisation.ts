/**
 * What this host's machine does, as its kernel counts it: processors busy, memory used, bytes over the network.
 *
 * The kernel's counters only grow, so that two readings give what lay between them (Linux, proc(5): /proc/stat, /proc/meminfo,
 * /proc/net/dev). In a container the network is the container's, processors and memory are the machine's. Where there is no /proc,
 * nothing is said of it.
 *
 * Invariants: every number is within what the protocol allows, whatever the kernel says; a counter that fell counts as 0.
 */
import { readFileSync } from 'node:fs'
import { LIMITS, type Utilisation } from '@godwit/protocol'

export interface Reading {
  readonly atMs: number
  /** Jiffies over all processors since boot. */
  readonly busyTicks: number
  readonly ticks: number
  readonly usedMemoryBytes: number
  readonly totalMemoryBytes: number
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** The texts of the three files. */
export interface ProcTexts {
  readonly stat: string
  readonly meminfo: string
  readonly net: string
}

/** Undefined for texts that are not as proc(5) has them. */
export function readingOf({ stat, meminfo, net }: ProcTexts, atMs: number): Reading | undefined {
  // user nice system idle iowait irq softirq steal; guests are counted in user.
  const ticks = /^cpu +(.*)$/m.exec(stat)?.[1]?.split(' ').slice(0, 8).map(Number)
  const total = kibibytes(meminfo, 'MemTotal')
  const available = kibibytes(meminfo, 'MemAvailable')
  if (ticks === undefined || ticks.length < 5 || total === undefined || available === undefined)
    return undefined
  const all = sum(ticks)
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0)
  const links = net
    .split('\n')
    .map((line) => /^\s*([^:\s]+):\s*(.*)$/.exec(line))
    .filter((match) => match !== null && match[1] !== 'lo')
    .map((match) => (match?.[2] ?? '').trim().split(/\s+/).map(Number))
  const reading = {
    atMs,
    busyTicks: all - idle,
    ticks: all,
    usedMemoryBytes: Math.max(0, total - available) * 1024,
    totalMemoryBytes: total * 1024,
    receivedBytes: sum(links.map((counters) => counters[0] ?? 0)),
    sentBytes: sum(links.map((counters) => counters[8] ?? 0)),
  }
  return Object.values(reading).every(Number.isFinite) ? reading : undefined
}

/** Between two readings. */
export function utilisationOf(before: Reading, after: Reading): Utilisation {
  const seconds = Math.max(1e-3, (after.atMs - before.atMs) / 1000)
  const ticks = after.ticks - before.ticks
  const busy = after.busyTicks - before.busyTicks
  const rate = (from: number, to: number): number => Math.min(1e15, Math.max(0, to - from) / seconds)
  const bytes = (amount: number): number => Math.min(Number.MAX_SAFE_INTEGER, Math.round(amount))
  return {
    cpu: ticks <= 0 ? 0 : Math.min(1, Math.max(0, busy / ticks)),
    usedMemoryBytes: bytes(after.usedMemoryBytes),
    totalMemoryBytes: bytes(after.totalMemoryBytes),
    receivedBytesPerSecond: rate(before.receivedBytes, after.receivedBytes),
    sentBytesPerSecond: rate(before.sentBytes, after.sentBytes),
  }
}

function kibibytes(meminfo: string, name: string): number | undefined {
  const match = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(meminfo)
  return match === null ? undefined : Number(match[1])
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0)

/** Since the machine was started, then since the time before. */
const BOOT: Reading = {
  atMs: 0,
  busyTicks: 0,
  ticks: 0,
  usedMemoryBytes: 0,
  totalMemoryBytes: 0,
  receivedBytes: 0,
  sentBytes: 0,
}

/** Says it at once, and every so often; the first time processors are the average since the machine was started. */
export class UtilisationReports {
  readonly #say: (utilisation: Utilisation) => void
  #before: Reading | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(say: (utilisation: Utilisation) => void) {
    this.#say = say
  }

  /** Also once more: after each registration. */
  start(): void {
    this.close()
    this.#report()
    this.#timer = setInterval(() => this.#report(), LIMITS.utilisationEveryMs)
    this.#timer.unref()
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #report(): void {
    const now = read(performance.now())
    if (now === undefined) return
    const before = this.#before ?? { ...BOOT, receivedBytes: now.receivedBytes, sentBytes: now.sentBytes }
    this.#before = now
    this.#say(utilisationOf(before, now))
  }
}

function read(atMs: number): Reading | undefined {
  try {
    const text = (file: string): string => readFileSync(`/proc/${file}`, 'latin1')
    return readingOf({ stat: text('stat'), meminfo: text('meminfo'), net: text('net/dev') }, atMs)
  } catch {
    return undefined
  }
}
