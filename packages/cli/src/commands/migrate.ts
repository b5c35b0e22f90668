/**
 * `migrate`: ask for it, watch it, and show what it cost. Leaving early (Ctrl-C, a lost connection) stops the
 * watching and not the migration.
 */
import type { ClientEvent, MigrationOptions, MigrationView } from '@godwit/protocol'
import { migrationOptionsOf } from '../migration-options.ts'
import { ENDED, renderProgress } from '../render/progress.ts'
import { renderReport } from '../render/report.ts'
import { printJson, type Session } from '../session.ts'

export type MigrateOptions = Partial<MigrationOptions> & { to: string }

/** How long a completed migration's report waits for its lost time, which needs ten more steps. */
const LOST_TIME_WAIT_MS = 5_000

/** 0 only when the workload runs at the target. */
export async function migrate(session: Session, workload: string, options: MigrateOptions): Promise<number> {
  const { client, io, json } = session
  const watch = new MigrationWatch(session)
  const unlisten = client.listen((id, event) => {
    if (id === workload) watch.event(event)
  })
  const hint = () => {
    if (watch.isOpen) io.err(`the migration goes on; to end it: godwit cancel ${workload}`)
  }
  io.interrupted.addEventListener('abort', hint)
  try {
    await client.request({ op: 'follow', workload })
    const { to, ...chosen } = options
    const { migration } = await client.request({
      op: 'migrate',
      workload,
      to,
      options: migrationOptionsOf(chosen),
    })
    watch.begin(migration)
    await watch.ended
    const final = await watch.final()
    if (json) printJson(io, { migration: final })
    else show(session, final)
    return final.status === 'completed' ? 0 : 1
  } finally {
    io.interrupted.removeEventListener('abort', hint)
    unlisten()
  }
}

function show({ io }: Session, { workload, from, to, status, report, error }: MigrationView): void {
  if (report !== undefined) for (const line of renderReport(report)) io.out(line)
  if (status === 'completed') return
  const why = error === undefined ? '' : ` (${error.kind}): ${error.message}`
  io.err(`${workload}: ${from} -> ${to} ${status}${why}`)
}

class MigrationWatch {
  readonly ended: Promise<void>
  readonly #session: Session
  readonly #early: MigrationView[] = []
  #view: MigrationView | undefined
  #status: string | undefined
  #workloadEnded = false
  #end: () => void = () => {}
  #complete: () => void = () => {}

  constructor(session: Session) {
    this.#session = session
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
  }

  /** Under way as far as is known. */
  get isOpen(): boolean {
    return this.#view !== undefined && !ENDED.includes(this.#view.status)
  }

  /** The reply has told which migration is ours. Its events may have been faster. */
  begin(view: MigrationView): void {
    this.#update(view)
    for (const early of this.#early) if (early.id === view.id) this.#update(early)
  }

  event(event: ClientEvent): void {
    if (event.kind === 'workload') {
      const { status } = event.workload
      this.#workloadEnded = status !== 'starting' && status !== 'running'
      if (this.#workloadEnded) this.#complete()
    } else if (event.kind === 'migration') {
      if (this.#view === undefined) this.#early.push(event.migration)
      else if (event.migration.id === this.#view.id) this.#update(event.migration)
    }
  }

  /** The migration with all that will be known of it, as far as it is worth waiting for. */
  async final(): Promise<MigrationView> {
    const view = this.#view as MigrationView
    if (this.#isPartial()) {
      await new Promise<void>((resolve) => {
        this.#complete = resolve
        setTimeout(resolve, LOST_TIME_WAIT_MS).unref()
      })
      const { migration } = await this.#session.client.request({ op: 'migration', migration: view.id })
      return migration
    }
    return view
  }

  #isPartial(): boolean {
    const { status, report } = this.#view as MigrationView
    return (
      status === 'completed' && !this.#workloadEnded && (report === undefined || report.lostTimeMs === null)
    )
  }

  #update(view: MigrationView): void {
    const { io, json } = this.#session
    this.#view = view
    if (ENDED.includes(view.status)) {
      this.#end()
      if (!this.#isPartial()) this.#complete()
    }
    if (json) return
    io.live(renderProgress(view))
    if (io.columns === undefined && view.status !== this.#status) io.err(renderProgress(view))
    this.#status = view.status
  }
}
