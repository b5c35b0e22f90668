/**
 * Processes that a test starts, and all that come of them: a worker is detached from its agent, so a test knows
 * neither its id nor when it ends, and yet nothing may be left of it.
 *
 * The intuition: everything that a test starts is given a temporary folder of its own (TMPDIR), which is inherited,
 * survives detaching, and can be read from /proc. So the folder is a mark, and what is left in it counts too.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

/** For what is no child of ours to end: a compiler that sees its pipe closed, an orphan that was told to go. */
const GONE_WITHIN_MS = 10_000
const LOOK_EVERY_MS = 50

/** A child whose output is read line by line. */
export class Running {
  readonly child: ChildProcess
  /** Lines of stdout so far. */
  readonly lines: string[] = []
  /** Settles when it has ended and everything it said was read: its exit code, or 128 and the signal's number. */
  readonly exited: Promise<number>
  #err = ''
  #exitCode: number | undefined
  readonly #events = new EventEmitter().setMaxListeners(100)
  readonly #command: string

  constructor(command: string, args: readonly string[], options: { cwd?: string; env: NodeJS.ProcessEnv }) {
    this.#command = [command, ...args].join(' ')
    this.child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
    const { stdout, stderr } = this.child
    if (stdout === null || stderr === null) throw new Error('bug: no pipes')
    createInterface({ input: stdout }).on('line', (line) => {
      this.lines.push(line)
      this.heard(line)
      this.#events.emit('change')
    })
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text
      this.#events.emit('change')
    })
    this.exited = once(this.child, 'close').then(([code, signal]) => {
      this.#exitCode = (code as number | null) ?? 128 + constants.signals[signal as NodeJS.Signals]
      this.#events.emit('change')
      return this.#exitCode
    })
  }

  /** What it said on stderr so far. */
  get err(): string {
    return this.#err
  }

  /** Resolves when `holds`, asked again whenever it has said something. Throws with all that was said when it ends before. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.#exitCode !== undefined) {
        const said = [...this.lines.slice(-5), this.#err].join('\n').slice(-4000)
        throw new Error(
          `${this.#command}\nended with ${this.#exitCode} before ${what}; it said last:\n${said}`,
        )
      }
      await once(this.#events, 'change')
    }
  }

  async end(signal: NodeJS.Signals): Promise<number> {
    this.child.kill(signal)
    return this.exited
  }

  /** For a subclass: each line as it comes. */
  protected heard(_line: string): void {}
}

export interface FoundProcess {
  readonly pid: number
  readonly args: readonly string[]
}

/** A temporary folder in which only the compiler's cache lies, so that it need not be filled anew for each test. */
export function makeTemporary(path: string): NodeJS.ProcessEnv {
  mkdirSync(path)
  const cache = `tsx-${process.geteuid?.()}`
  mkdirSync(join(tmpdir(), cache), { recursive: true })
  symlinkSync(join(tmpdir(), cache), join(path, cache))
  const { GODWIT_COORDINATOR: _, GODWIT_TOKEN: _t, GODWIT_JOIN_TOKEN: _j, ...env } = process.env
  // npm keeps one there too.
  return { ...env, TMPDIR: path, NODE_DISABLE_COMPILE_CACHE: '1' }
}

/** What lies in a folder of `makeTemporary` besides the cache. */
export function filesLeft(temporary: string): string[] {
  return readdirSync(temporary).filter((name) => !name.startsWith('tsx-'))
}

/** Every live process that was started with this temporary folder, by us or by one that we started. */
export function processesOf(temporary: string): FoundProcess[] {
  const found: FoundProcess[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
      if (!environment.includes(`TMPDIR=${temporary}`)) continue
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').slice(0, -1)
      if (args.length > 0) found.push({ pid: Number(name), args })
    } catch {
      // Ended meanwhile, or another user's.
    }
  }
  return found
}

/**
 * What is left of it once there was time to end; empty when all is well. It is looked for again and again because
 * nothing tells of the end of a process that is not our child.
 */
export async function processesLeft(temporary: string): Promise<string[]> {
  const untilMs = performance.now() + GONE_WITHIN_MS
  for (;;) {
    const left = processesOf(temporary)
    if (left.length === 0 || performance.now() > untilMs)
      return left.map(({ pid, args }) => `${pid} ${args.join(' ')}`)
    await delay(LOOK_EVERY_MS)
  }
}

/** The last resort of a test's end. */
export function killAll(temporary: string): void {
  for (const { pid } of processesOf(temporary)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // Ended meanwhile.
    }
  }
}

/** A zombie is not: its command line is empty. */
export function isAlive(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`).length > 0
  } catch {
    return false
  }
}

/** The TCP ports on which the process listens: entries of /proc/net/tcp (proc_pid_net(5)) that are among its files. */
export function portsOf(pid: number): number[] {
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return ''
    }
  })
  const LISTEN = '0A'
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state, , , , , , inode]) => state === LISTEN && links.includes(`socket:[${inode}]`))
    .map(([, local]) => Number.parseInt(local?.split(':')[1] ?? '', 16))
}

/** Resolves when the process with this id is gone. */
export async function gone(pid: number): Promise<void> {
  while (isAlive(pid)) await delay(LOOK_EVERY_MS)
}
