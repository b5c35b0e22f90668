/**
 * Maintenance of hosts, carried out: maintenance-plan.ts decides, this writes down, begins moves, and looks again.
 *
 * A record a host, changed by compare-and-set. It is looked at when something has happened that may let it go on, and every
 * `maintenanceLookMs` until nothing is left to do; a coordinator that starts anew looks at once, and needs to know nothing else.
 *
 * Invariants: one change or look at a time; a host is closed before the answer to who closed it, and before the first job leaves;
 * what could not be written down has not changed.
 */
import {
  decodeValue,
  encodeValue,
  GodwitError,
  LIMITS,
  type MaintenanceView,
  type MigrationView,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { Clock } from './clock.ts'
import type { Inventory } from './inventory.ts'
import { ABSENT, type KeyValueStore } from './key-value.ts'
import {
  type MaintenanceFacts,
  type MaintenanceRecord,
  type MovableJob,
  planMaintenance,
  settled,
  toWithdraw,
} from './maintenance-plan.ts'
import { makeMaintenanceId } from './names.ts'
import type { HostFacts } from './placement.ts'
import { KEYS } from './records.ts'
import { SerialQueue } from './serial-queue.ts'

export interface MaintenancesEdge {
  readonly store: KeyValueStore
  readonly inventory: Inventory
  readonly clock: Clock
  readonly log: Logger
  hosts(): readonly HostFacts[]
  jobs(): readonly MovableJob[]
  /** Those that it asked for, in the order in which they began. */
  movesOf(maintenance: string): readonly MigrationView[]
  /** `isChosen`: another host would do as well. */
  migrate(workload: string, to: string, asked: { maintenance: string; isChosen: boolean }): Promise<unknown>
  /** Takes a migration out of the queue, if it is still in it. */
  withdraw(workload: string, migration: string): void
}

export class Maintenances {
  readonly #edge: MaintenancesEdge
  readonly #records: Map<string, MaintenanceRecord>
  readonly #queue = new SerialQueue()
  #cancelTimer: () => void = () => {}
  #isPoked = false
  #isClosed = false

  constructor(records: readonly MaintenanceRecord[], edge: MaintenancesEdge) {
    this.#edge = edge
    this.#records = new Map(records.map((record) => [record.host, record]))
    for (const { host, phase } of records) edge.inventory.close(host, phase === 'evacuating')
    this.poke()
  }

  close(): void {
    this.#isClosed = true
    this.#cancelTimer()
  }

  /** Something has happened that may let one go on. */
  poke(): void {
    if (this.#isPoked || this.#isClosed || ![...this.#records.values()].some(isOpen)) return
    this.#isPoked = true
    void this.#queue.run(() => this.#lookAtAll()).catch((error: unknown) => this.#failed(error))
  }

  /** Whether a migration that it asked for says something that is still needed. */
  isNeeded(maintenance: string | undefined): boolean {
    if (maintenance === undefined) return false
    return [...this.#records.values()].some((record) => record.id === maintenance && isOpen(record))
  }

  /** The latest of this host. */
  view(host: string): MaintenanceView | undefined {
    const record = this.#records.get(host)
    return record && planMaintenance(this.#facts(record)).view
  }

  /** The one that is not over. */
  openView(host: string): MaintenanceView | undefined {
    const record = this.#records.get(host)
    return record !== undefined && isOpen(record) ? this.view(host) : undefined
  }

  /** Errors: `unknown-host`, `cannot-evacuate` with each job that can go nowhere, and then nothing has changed; those of the store. */
  enter(host: string, force: boolean): Promise<{ maintenance: MaintenanceView; already: boolean }> {
    return this.#queue.run(async () => {
      const { inventory, log } = this.#edge
      const before = this.#records.get(host)
      if (before === undefined || !isOpen(before)) inventory.knownHost(host)
      const isEntered = before?.phase === 'evacuating'
      if (isEntered && (before.force || !force)) return { maintenance: this.#viewOf(before), already: true }
      const id = before !== undefined && isOpen(before) ? before.id : makeMaintenanceId()
      const record: MaintenanceRecord = { id, host, phase: 'evacuating', force, stayed: [] }
      if (!force) this.#mustAllGo(record)
      await this.#write(record)
      log.info({ host, maintenance: id, force }, 'maintenance begins')
      this.poke()
      return { maintenance: this.#viewOf(record), already: isEntered }
    })
  }

  /** Errors: `bad-arguments` for a host that is in none; those of the store. */
  exit(host: string, returns: boolean): Promise<{ maintenance: MaintenanceView }> {
    return this.#queue.run(async () => {
      const before = this.#records.get(host)
      if (before === undefined || !isOpen(before)) {
        this.#edge.inventory.knownHost(host)
        throw new GodwitError('bad-arguments', `${host} is in no maintenance: there is nothing to end`)
      }
      const record: MaintenanceRecord = { ...before, phase: returns ? 'returning' : 'over', stayed: [] }
      await this.#write(record)
      this.#edge.log.info({ host, maintenance: record.id, returns }, 'maintenance ends')
      this.poke()
      return { maintenance: this.#viewOf(record) }
    })
  }

  /** Of a host that nobody knows any more. */
  forget(host: string): void {
    if (!this.#records.delete(host)) return
    this.#edge.store.delete(KEYS.maintenance(host)).catch((error: unknown) => this.#failed(error))
  }

  #mustAllGo(record: MaintenanceRecord): void {
    const { host } = record
    const hosts = this.#edge
      .hosts()
      .map((each) => (each.name === host ? { ...each, isInMaintenance: true } : each))
    const { view } = planMaintenance({ ...this.#facts(record), hosts })
    if (view.stuck === 0) return
    const why = view.jobs.flatMap(({ workload, state, reason }) =>
      state === 'stuck' ? [`${workload} can go nowhere (${reason})`] : [],
    )
    const all = view.stuck + view.waiting + view.moving
    const message = `${view.stuck} of ${all} jobs can't leave ${host}, and none was moved: ${why.join(', ')}. Make room, or move those that can with --force`
    throw new GodwitError('cannot-evacuate', shortened(message))
  }

  async #lookAtAll(): Promise<void> {
    this.#isPoked = false
    this.#cancelTimer()
    try {
      for (const record of this.#records.values()) if (isOpen(record)) await this.#look(record)
    } finally {
      this.#armTimer()
    }
  }

  async #look(record: MaintenanceRecord): Promise<void> {
    const { id, host } = record
    const plan = planMaintenance(this.#facts(record))
    for (const { workload, to } of plan.begin) {
      try {
        await this.#edge.migrate(workload, to, { maintenance: id, isChosen: record.phase === 'evacuating' })
      } catch (error) {
        if (!(error instanceof GodwitError)) throw error
        this.#edge.log.info({ host, workload, to, error: error.message }, 'not moved: tried again')
      }
    }
    const next = settled(record, plan)
    if (next === undefined) return
    await this.#write(next)
    this.#edge.log.info({ host, maintenance: id, stayed: next.stayed.length }, 'maintenance is over')
  }

  #armTimer(): void {
    if (this.#isClosed) return
    const isUnderWay = [...this.#records.values()].some(
      (record) => isOpen(record) && this.#viewOf(record).phase !== 'evacuated',
    )
    if (isUnderWay) this.#cancelTimer = this.#edge.clock.after(LIMITS.maintenanceLookMs, () => this.poke())
  }

  async #write(record: MaintenanceRecord): Promise<void> {
    const { store, inventory } = this.#edge
    const key = KEYS.maintenance(record.host)
    const entry = await store.get(key)
    const known = entry && (decodeValue(entry.value) as MaintenanceRecord)
    const before = this.#records.get(record.host)
    const isAsKnown = known?.id === before?.id && known?.phase === before?.phase
    const revision = isAsKnown
      ? await store.compareAndSet(key, entry?.revision ?? ABSENT, encodeValue(record))
      : undefined
    if (revision === undefined)
      throw new GodwitError(
        'too-busy',
        `the maintenance of ${record.host} is being changed by somebody else: try again`,
      )
    this.#records.set(record.host, record)
    inventory.close(record.host, record.phase === 'evacuating')
    const moves = this.#edge.movesOf(record.id)
    for (const { workload, id } of toWithdraw({ record, moves })) this.#edge.withdraw(workload, id)
  }

  #viewOf(record: MaintenanceRecord): MaintenanceView {
    return planMaintenance(this.#facts(record)).view
  }

  #facts(record: MaintenanceRecord): MaintenanceFacts {
    const { hosts, jobs, movesOf, inventory } = this.#edge
    return {
      record,
      hosts: hosts(),
      jobs: jobs(),
      moves: movesOf(record.id),
      hasWorkers: inventory.workersOn(record.host).length > 0,
    }
  }

  /** Looked at again: nothing was changed that is not written down. */
  #failed(error: unknown): void {
    const { log } = this.#edge
    if (error instanceof GodwitError) log.warn({ error: error.message }, 'maintenance waits')
    else log.error({ err: error }, 'a bug in the coordinator')
  }
}

const isOpen = ({ phase }: MaintenanceRecord): boolean => phase !== 'over'

function shortened(message: string): string {
  return message.length <= LIMITS.maxErrorLength ? message : `${message.slice(0, LIMITS.maxErrorLength - 1)}…`
}
