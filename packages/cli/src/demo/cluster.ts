/**
 * A coordinator and hosts on this machine, for as long as the demo lasts: real processes, as `godwit coordinator`
 * and `godwit agent` start them, on free ports and in a folder that goes away with them.
 *
 * They run in sessions of their own, so that Ctrl-C at the terminal reaches the demo alone and the demo ends them in
 * order: agents first, which end their workers, then the coordinator.
 *
 * Invariant: after `end` no process of the cluster is left and the folder is gone, whatever went wrong before.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { type Room, spawnRoom } from '../rooms.ts'

export interface HostSpec {
  name: string
  faultDomain: string
  /** A folder of programs that may be run besides those of Godwit. */
  programs?: string
}

interface Member {
  readonly name: string
  readonly child: ChildProcess
  readonly exited: Promise<void>
}

/** A worker whose agent was killed need not wait long for another one here. */
const ORPHAN_TIMEOUT_MS = 10_000
/** An agent gives its workers `stopGraceMs`; then it gets as long again. */
const END_GRACE_MS = 2 * LIMITS.stopGraceMs
const TAIL_LINES = 8

export class Cluster {
  /** Rejects when a process ends that should not. */
  readonly broken: Promise<never>
  readonly #folder = mkdtempSync(join(tmpdir(), 'godwit-demo-'))
  readonly #members: Member[] = []
  readonly #lastResort = () => {
    for (const { child } of this.#members) child.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }
  #break: (error: GodwitError) => void = () => {}
  #ending = false
  #url = ''

  constructor() {
    this.broken = new Promise((_, reject) => {
      this.#break = reject
    })
    this.broken.catch(() => {})
    process.once('exit', this.#lastResort)
  }

  /** The coordinator's address, once started. */
  get url(): string {
    return this.#url
  }

  /** Settles when every host is registered. Throws `internal` with the end of the log of a process that gave up. */
  async start(hosts: readonly HostSpec[]): Promise<void> {
    const said = await this.#launch('coordinator', 'coordinator/main', [
      ...['--host', '127.0.0.1', '--port', '0'],
    ])
    this.#url = `ws://127.0.0.1:${portIn(said)}`
    await Promise.all(
      hosts.map(({ name, faultDomain, programs }) =>
        this.#launch(`agent ${name}`, 'agent/main', [
          ...['--coordinator', this.#url, '--name', name, '--fault-domain', faultDomain],
          ...['--data-dir', join(this.#folder, name), '--orphan-timeout-ms', String(ORPHAN_TIMEOUT_MS)],
          ...(programs === undefined ? [] : ['--programs', programs]),
        ]),
      ),
    )
  }

  async end(): Promise<void> {
    this.#ending = true
    const [coordinator, ...agents] = this.#members
    await Promise.all(agents.map(endMember))
    if (coordinator !== undefined) await endMember(coordinator)
    process.removeListener('exit', this.#lastResort)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** Gives the first line that the process says on stdout. */
  async #launch(name: string, room: Room, args: readonly string[]): Promise<unknown> {
    if (this.#ending) throw new GodwitError('cancelled', `${name} was not started: the demo is ending`)
    const logPath = join(this.#folder, `${name.replace(' ', '-')}.log`)
    const log = openSync(logPath, 'a')
    const child = spawnRoom(room, args, { stdio: ['ignore', 'pipe', log], detached: true })
    closeSync(log)
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
      child.once('error', () => resolve())
    })
    this.#members.push({ name, child, exited })
    const gaveUp = exited.then((): never => {
      const tail = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-TAIL_LINES).join('\n')
      const error = new GodwitError('internal', `the demo's ${name} ended: ${tail || 'it said nothing'}`)
      if (!this.#ending) this.#break(error)
      throw error
    })
    gaveUp.catch(() => {})
    return JSON.parse(await Promise.race([firstLine(child.stdout as Readable), gaveUp]))
  }
}

async function endMember({ child, exited }: Member): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), END_GRACE_MS)
  await exited
  clearTimeout(timer)
}

/** The rest is read and dropped: a full pipe would stop the writer. */
async function firstLine(stream: Readable): Promise<string> {
  const lines = createInterface({ input: stream })
  const [line] = (await once(lines, 'line')) as [string]
  return line
}

/** `{"listening":{"port":7070}}` */
function portIn(said: unknown): number {
  const port = (said as { listening?: { port?: unknown } }).listening?.port
  if (typeof port !== 'number') {
    throw new GodwitError('internal', `the coordinator did not say its port: ${JSON.stringify(said)}`)
  }
  return port
}
