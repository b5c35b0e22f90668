/**
 * What there is and what has happened, in the order in which it changed, for those who watch.
 *
 * A log with one line for each host, job and move: the number of its latest change; what it is then is asked when it is told. So one who
 * reads slowly, or comes back after an hour, is told each once, as it is now, and the log is as long as there are things, however fast
 * they change. What has happened (a status that is another one) and what is gone is kept as it was, the latest `maxHappenings` of it.
 *
 * Invariants: whoever has read up to a cursor, and goes on from it, is told of all that changed since, or that its cursor is too old: nothing is lost
 * silently; changes are told in the order of their numbers; what is kept is bounded.
 */
import { randomBytes } from 'node:crypto'
import {
  type Change,
  type ChangeKind,
  type Happening,
  type HostView,
  LIMITS,
  type MigrationView,
  type Reply,
  type WorkloadView,
} from '@godwit/protocol'
import type { RequestOf } from './client-connection.ts'
import type { Clock } from './clock.ts'
import { tasksOf } from './tasks.ts'
import { Watcher, type WatcherSink } from './watcher.ts'
import { listedView } from './workload-view.ts'

type Thing = Exclude<ChangeKind, 'event'>

export interface Changed {
  readonly kind: Thing
  readonly id: string
}

/** Of a job, without what takes time to find out. */
export interface WorkloadState extends Pick<WorkloadView, 'status' | 'host' | 'error'> {
  readonly acceptedSteps: number
}

/** What there is at one moment. */
export interface Look {
  hosts(): string[]
  workloads(): string[]
  migrations(): string[]
  hostState(name: string): HostView['state'] | undefined
  workloadState(id: string): WorkloadState | undefined
  /** Or gets its jobs back after it. */
  isInMaintenance(name: string): boolean
  host(name: string): HostView | undefined
  workload(id: string): WorkloadView | undefined
  migration(id: string): MigrationView | undefined
}

/** Told while they happen. */
export interface ChangesObserver {
  stepsAccepted(count: number): void
  migrationEnded(view: MigrationView): void
}

/** What is kept as it was. */
type Kept = Extract<Change, { kind: 'event' | 'gone' }>

interface Line {
  readonly sequence: number
  readonly kind: Thing
  readonly id: string
}

export interface Read {
  readonly changes: Change[]
  /** The number of the last one that was looked at. */
  readonly sequence: number
  readonly isCurrent: boolean
}

const OVER: readonly string[] = ['completed', 'cancelled', 'failed']
/** Superseded lines that are kept before they are swept out. */
const MAX_SUPERSEDED = 1000

export class Changes {
  readonly #look: () => Look
  readonly #clock: Clock
  readonly #observer: ChangesObserver
  /** Of this coordinator: another one counts anew. */
  readonly #life = randomBytes(6).toString('hex')
  #sequence = 0
  #log: Line[] = []
  readonly #latest = new Map<string, number>()
  #kept: { sequence: number; change: Kept }[] = []
  /** Of what was kept, all up to here is forgotten. */
  #forgotten = 0
  /** As each thing was when it was last said. */
  readonly #known = {
    host: new Map<string, string>(),
    workload: new Map<string, WorkloadState>(),
    migration: new Map<string, string>(),
  }
  readonly #watchers = new Set<Watcher>()
  #toldMs = Number.NEGATIVE_INFINITY
  #cancelTelling: (() => void) | undefined

  constructor(look: () => Look, clock: Clock, observer: ChangesObserver) {
    this.#look = look
    this.#clock = clock
    this.#observer = observer
  }

  /** All that there is as a coordinator begins: nothing of it has happened. */
  begin(): void {
    const look = this.#look()
    for (const id of look.hosts()) this.#add('host', id, look.hostState(id))
    for (const id of look.workloads()) {
      const state = look.workloadState(id)
      if (state !== undefined) this.#known.workload.set(id, state)
      this.#line('workload', id)
    }
    for (const id of look.migrations()) this.#add('migration', id, look.migration(id)?.status)
  }

  #add(kind: 'host' | 'migration', id: string, status: string | undefined): void {
    if (status !== undefined) this.#known[kind].set(id, status)
    this.#line(kind, id)
  }

  changed({ kind, id }: Changed): void {
    const look = this.#look()
    const exists =
      kind === 'host'
        ? this.#hostChanged(id, look.hostState(id))
        : kind === 'workload'
          ? this.#workloadChanged(id, look.workloadState(id))
          : this.#migrationChanged(id, look.migration(id))
    if (exists) this.#line(kind, id)
    this.#tellLater()
  }

  #hostChanged(id: string, state: HostView['state'] | undefined): boolean {
    if (state === undefined) return this.#gone('host', id)
    const before = this.#known.host.get(id)
    this.#known.host.set(id, state)
    if (before !== state) this.#happened({ about: 'host', id, status: state, host: id })
    return true
  }

  #workloadChanged(id: string, state: WorkloadState | undefined): boolean {
    if (state === undefined) return this.#gone('workload', id)
    const before = this.#known.workload.get(id)
    this.#known.workload.set(id, state)
    const { status, host, error, acceptedSteps } = state
    if (acceptedSteps > (before?.acceptedSteps ?? 0))
      this.#observer.stepsAccepted(acceptedSteps - (before?.acceptedSteps ?? 0))
    if (before?.status === status && before.host === host) return true
    this.#happened({
      about: 'workload',
      id,
      status,
      workload: id,
      host,
      ...(error !== undefined && { error }),
    })
    // What a host has of jobs is another's since.
    for (const each of new Set([host, before?.host ?? host])) this.#hostLine(each)
    return true
  }

  #migrationChanged(id: string, view: MigrationView | undefined): boolean {
    if (view === undefined) return this.#gone('migration', id)
    const before = this.#known.migration.get(id)
    const { status, workload, from, to, error } = view
    this.#known.migration.set(id, status)
    if (before === status) return true
    this.#happened({
      ...{ about: 'migration', id, status, workload, from, to },
      ...(error !== undefined && { error }),
    })
    if (OVER.includes(status) && before !== undefined) this.#observer.migrationEnded(view)
    for (const each of [from, to]) this.#hostLine(each)
    return true
  }

  #hostLine(name: string): void {
    if (this.#known.host.has(name)) this.#line('host', name)
  }

  #gone(what: Thing, id: string): false {
    if (this.#known[what].delete(id)) {
      this.#latest.delete(`${what}/${id}`)
      this.#keep({ kind: 'gone', what, id })
      this.#happened({ about: what, id, status: 'gone' })
    }
    return false
  }

  #happened(what: Omit<Happening, 'cursor' | 'atMs'>): void {
    this.#keep({
      kind: 'event',
      event: { cursor: this.cursorOf(this.#sequence + 1), atMs: this.#clock.calendarMs(), ...what },
    })
  }

  #keep(change: Kept): void {
    this.#sequence += 1
    this.#kept.push({ sequence: this.#sequence, change })
    if (this.#kept.length < 2 * LIMITS.maxHappenings) return
    const [last] = this.#kept.splice(0, this.#kept.length - LIMITS.maxHappenings).slice(-1)
    this.#forgotten = last?.sequence ?? this.#forgotten
  }

  #line(kind: Thing, id: string): void {
    this.#sequence += 1
    this.#latest.set(`${kind}/${id}`, this.#sequence)
    this.#log.push({ sequence: this.#sequence, kind, id })
    if (this.#log.length > 2 * this.#latest.size + MAX_SUPERSEDED)
      this.#log = this.#log.filter((line) => this.#isLatest(line))
  }

  #isLatest({ sequence, kind, id }: Line): boolean {
    return this.#latest.get(`${kind}/${id}`) === sequence
  }

  get streams(): number {
    return this.#watchers.size
  }

  /** Lines and happenings that are kept. */
  get size(): number {
    return this.#log.length + this.#kept.length
  }

  get sequence(): number {
    return this.#sequence
  }

  cursorOf(sequence: number): string {
    return `${this.#life}.${sequence}`
  }

  /** The number of a cursor from which one can go on; undefined where something since is forgotten, or the cursor is another coordinator's. */
  sequenceOf(cursor: string): number | undefined {
    const [life, digits] = cursor.split('.')
    const sequence = Number(digits)
    const isOurs = life === this.#life && /^\d{1,15}$/.test(digits ?? '')
    return isOurs && sequence >= this.#forgotten && sequence <= this.#sequence ? sequence : undefined
  }

  /** Whether something after `sequence` is kept no more. */
  isForgotten(sequence: number): boolean {
    return sequence < this.#forgotten
  }

  /** Changes after `after`, as many as a message takes. `freshUpTo`: of what was gone up to there one has never heard. */
  read(after: number, kinds: ReadonlySet<ChangeKind>, freshUpTo = 0): Read {
    const look = this.#look()
    const changes: Change[] = []
    let bytes = 0
    let sequence = after
    let at = firstAfter(this.#log, after)
    let keptAt = firstAfter(this.#kept, after)
    for (;;) {
      const line = this.#log[at]
      const kept = this.#kept[keptAt]
      const next = Math.min(line?.sequence ?? Infinity, kept?.sequence ?? Infinity)
      if (next === Infinity) return { changes, sequence: this.#sequence, isCurrent: true }
      const isLine = line?.sequence === next
      const change = isLine ? this.#changeOf(line, kinds, look) : keptOf(kept, kinds, freshUpTo)
      if (change !== undefined) {
        bytes += JSON.stringify(change).length
        const isFull = changes.length >= LIMITS.maxChangesPerMessage || bytes > LIMITS.maxWaitingChangeBytes
        if (isFull && changes.length > 0) return { changes, sequence, isCurrent: false }
        changes.push(change)
      }
      sequence = next
      if (isLine) at += 1
      else keptAt += 1
    }
  }

  #changeOf(line: Line, kinds: ReadonlySet<ChangeKind>, look: Look): Change | undefined {
    const { kind, id } = line
    if (!kinds.has(kind) || !this.#isLatest(line)) return undefined
    if (kind === 'host') {
      const host = look.host(id)
      return host && { kind, host }
    }
    if (kind === 'workload') {
      const workload = look.workload(id)
      return workload && { kind, workload: listedView(workload) }
    }
    const migration = look.migration(id)
    return migration && { kind, migration }
  }

  /** Tells `sink` what there is, or what has changed since `cursor`, and then whatever changes. */
  watch(
    sink: WatcherSink,
    kinds: readonly ChangeKind[],
    cursor: string | undefined,
  ): { watcher: Watcher; isReset: boolean } {
    const from = cursor === undefined ? undefined : this.sequenceOf(cursor)
    const watcher = new Watcher({
      changes: this,
      sink,
      kinds: new Set(kinds),
      after: from ?? 0,
      freshUpTo: from === undefined ? this.#sequence : 0,
      stopped: () => this.#watchers.delete(watcher),
    })
    this.#watchers.add(watcher)
    return { watcher, isReset: cursor !== undefined && from === undefined }
  }

  events({ after, limit }: RequestOf<'events'>): Reply<'events'> {
    const from = after === undefined ? undefined : this.sequenceOf(after)
    const all = this.#kept.flatMap(({ sequence, change }) =>
      change.kind === 'event' && sequence > (from ?? 0) ? [change.event] : [],
    )
    const events = after === undefined ? all.slice(-limit) : all.slice(0, limit)
    const last = events.at(-1)?.cursor
    return {
      events,
      isGap: after !== undefined && from === undefined,
      ...(last !== undefined && after !== undefined && events.length < all.length ? { next: last } : {}),
    }
  }

  tasks(): Reply<'tasks'> {
    return { tasks: tasksOf(this.#look(), this.#known.migration) }
  }

  /** How many things there are in each status. */
  census(): {
    hosts: Map<HostView['state'], number>
    workloads: Map<WorkloadView['status'], number>
    migrations: Map<MigrationView['status'], number>
    streams: number
  } {
    const open = [...this.#known.migration.values()].filter((status) => !OVER.includes(status))
    return {
      hosts: counted([...this.#known.host.values()] as HostView['state'][]),
      workloads: counted([...this.#known.workload.values()].map(({ status }) => status)),
      migrations: counted(open as MigrationView['status'][]),
      streams: this.streams,
    }
  }

  /** To those who have begun to watch. */
  tellSoon(): void {
    this.#tellLater()
  }

  close(): void {
    this.#cancelTelling?.()
    for (const watcher of [...this.#watchers]) watcher.stop()
  }

  /** At once, but not more often than every so often: what changes meanwhile is told together. */
  #tellLater(): void {
    if (this.#cancelTelling !== undefined || this.#watchers.size === 0) return
    const restMs = Math.max(0, this.#toldMs + LIMITS.changesEveryMs - this.#clock.nowMs())
    this.#cancelTelling = this.#clock.after(restMs, () => this.#tell())
  }

  #tell(): void {
    this.#cancelTelling = undefined
    this.#toldMs = this.#clock.nowMs()
    let isBehind = false
    for (const watcher of this.#watchers) if (!watcher.pump()) isBehind = true
    if (isBehind) this.#tellLater()
  }
}

function keptOf(
  kept: { sequence: number; change: Kept } | undefined,
  kinds: ReadonlySet<ChangeKind>,
  freshUpTo: number,
): Change | undefined {
  if (kept === undefined) return undefined
  const { sequence, change } = kept
  if (change.kind === 'event') return kinds.has('event') ? change : undefined
  return kinds.has(change.what) && sequence > freshUpTo ? change : undefined
}

/** The index of the first one after `sequence`, by bisection. */
function firstAfter(lines: readonly { readonly sequence: number }[], sequence: number): number {
  let low = 0
  let high = lines.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((lines[middle]?.sequence ?? 0) > sequence) high = middle
    else low = middle + 1
  }
  return low
}

function counted<Value>(values: readonly Value[]): Map<Value, number> {
  const counts = new Map<Value, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return counts
}
