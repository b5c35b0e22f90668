/**
 * What the coordinator tells Prometheus, named by its conventions: a prefix, base units, `_total` for what only grows. What there is now is
 * counted when it is asked for; what happens is counted as it does.
 *
 * No name of a job is a label: there are as many series as statuses, whatever runs.
 */
import { type HostView, MIGRATION_STATUSES, type MigrationView, type WorkloadView } from '@godwit/protocol'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { KeyValueStore } from '../key-value.ts'

/** What there is at one moment. */
export interface Census {
  readonly hosts: ReadonlyMap<HostView['state'], number>
  readonly workloads: ReadonlyMap<WorkloadView['status'], number>
  /** Under way. */
  readonly migrations: ReadonlyMap<MigrationView['status'], number>
  readonly streams: number
}

const MS = 1000
const DOWNTIME_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10]
const LONG_SECONDS = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800]
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30]
const WRITE_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
const OVER: readonly string[] = ['completed', 'cancelled', 'failed']

export class Metrics {
  readonly #registry = new Registry()
  readonly #steps: Counter
  readonly #ended: Counter<'status'>
  readonly #downtime: Histogram
  readonly #duration: Histogram
  readonly #sent: Counter
  readonly #requests: Histogram<'operation' | 'code'>
  readonly #writes: Histogram<'result'>

  constructor(census: () => Census) {
    const registers = [this.#registry]
    collectDefaultMetrics({ register: this.#registry })
    const gauge = (
      name: string,
      help: string,
      label: string,
      of: () => ReadonlyMap<string, number>,
    ): void => {
      new Gauge({
        name,
        help,
        registers,
        labelNames: [label],
        collect() {
          this.reset()
          for (const [value, count] of of()) this.set({ [label]: value }, count)
        },
      })
    }
    gauge('godwit_hosts', 'Hosts by state.', 'state', () => census().hosts)
    gauge('godwit_workloads', 'Jobs by status.', 'status', () => census().workloads)
    gauge('godwit_migrations', 'Migrations under way, by status.', 'status', () => census().migrations)
    new Gauge({
      name: 'godwit_event_streams',
      help: 'WebSockets of events that are open.',
      registers,
      collect() {
        this.set(census().streams)
      },
    })
    this.#steps = new Counter({
      name: 'godwit_steps_accepted_total',
      help: 'Steps accepted, of all jobs.',
      registers,
    })
    this.#ended = new Counter({
      name: 'godwit_migrations_ended_total',
      help: 'Migrations that are over, by what came of them.',
      labelNames: ['status'],
      registers,
    })
    for (const status of MIGRATION_STATUSES) if (OVER.includes(status)) this.#ended.inc({ status }, 0)
    this.#downtime = new Histogram({
      name: 'godwit_migration_downtime_seconds',
      help: 'How long jobs stood when they moved.',
      buckets: DOWNTIME_SECONDS,
      registers,
    })
    this.#duration = new Histogram({
      name: 'godwit_migration_duration_seconds',
      help: 'Migrations from their beginning to their completion.',
      buckets: LONG_SECONDS,
      registers,
    })
    this.#sent = new Counter({
      name: 'godwit_migration_sent_bytes_total',
      help: 'Bytes on the wire of migrations that have completed.',
      registers,
    })
    this.#requests = new Histogram({
      name: 'godwit_http_request_duration_seconds',
      help: 'Answers of the HTTP API, by operation and status.',
      labelNames: ['operation', 'code'],
      buckets: REQUEST_SECONDS,
      registers,
    })
    this.#writes = new Histogram({
      name: 'godwit_store_commit_duration_seconds',
      help: 'Commits of the store, synced; conflict: another was faster.',
      labelNames: ['result'],
      buckets: WRITE_SECONDS,
      registers,
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }

  stepsAccepted(count: number): void {
    this.#steps.inc(count)
  }

  /** Told once of each migration that is over. */
  migrationEnded({ status, report }: MigrationView): void {
    this.#ended.inc({ status })
    if (status !== 'completed' || report === undefined) return
    this.#downtime.observe(report.downtimeMs / MS)
    this.#duration.observe(report.totalMs / MS)
    this.#sent.inc(report.wireBytes)
  }

  answered(operation: string, code: number, tookMs: number): void {
    this.#requests.observe({ operation, code: String(code) }, tookMs / MS)
  }

  /** `store` with its commits measured. */
  measured(store: KeyValueStore): KeyValueStore {
    const timed = async <T>(write: () => Promise<T>, isConflict: (result: T) => boolean): Promise<T> => {
      const end = this.#writes.startTimer()
      try {
        const result = await write()
        end({ result: isConflict(result) ? 'conflict' : 'ok' })
        return result
      } catch (error) {
        end({ result: 'error' })
        throw error
      }
    }
    const isNone = (revision: number | undefined): boolean => revision === undefined
    return {
      get: (key) => store.get(key),
      list: (prefix) => store.list(prefix),
      watch: (prefix, listener) => store.watch(prefix, listener),
      close: () => store.close(),
      commit: (writes) => timed(() => store.commit(writes), isNone),
      put: (key, value) => timed(() => store.put(key, value), isNone),
      compareAndSet: (key, revision, value) => timed(() => store.compareAndSet(key, revision, value), isNone),
      delete: (key) =>
        timed(
          () => store.delete(key),
          () => false,
        ),
    }
  }
}
