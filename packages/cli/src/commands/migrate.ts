/**
 * `migrate`: ask for it, watch it, and show what it cost. Leaving early (Ctrl-C) stops the watching and not the
 * migration.
 */

import type { CoordinatorClient } from '@godwit/client'
import { throughLosses } from '@godwit/client'
import type { ClientEvent, MigrationOptions, MigrationView, Reply, Verdict } from '@godwit/protocol'
import { migrationOptionsOf } from '../migration-options.ts'
import { renderPlacement } from '../render/placement.ts'
import { ENDED, renderProgress } from '../render/progress.ts'
import { renderReport } from '../render/report.ts'
import { ENDED_WORKLOAD } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export type MigrateOptions = Partial<MigrationOptions> & { to?: string; explain?: boolean }

/** How long a completed migration's report waits for its lost time, which needs ten more steps. */
const LOST_TIME_WAIT_MS = 5_000

/** 0 only when the workload runs at the target. With another connection it watches the migration that it has begun. */
export async function migrate(session: Session, workload: string, options: MigrateOptions): Promise<number> {
  const { io, json } = session
  const watch = new MigrationWatch(session)
  let why: Verdict[] | undefined
  const hint = () => {
    if (watch.isOpen) io.err(`the migration goes on; to end it: godwit cancel ${workload}`)
  }
  io.interrupted.addEventListener('abort', hint)
  try {
    const final = await throughLosses(session, async (client) => {
      const unlisten = client.listen((id, event) => {
        if (id === workload) watch.event(event)
      })
      try {
        const { migration: current } = await client.request({ op: 'follow', workload })
        const { migration, placement } = await ours(client, { watch, workload, options, current })
        why ??= placement
        if (!json && placement !== undefined) for (const line of renderPlacement(placement)) io.out(line)
        watch.begin(migration)
        await watch.ended
        return await watch.final(client)
      } finally {
        unlisten()
      }
    })
    if (json) printJson(io, { migration: final, ...(why === undefined ? {} : { placement: why }) })
    else show(session, final)
    return final.status === 'completed' ? 0 : 1
  } finally {
    io.interrupted.removeEventListener('abort', hint)
  }
}

interface Asked {
  readonly watch: MigrationWatch
  readonly workload: string
  readonly options: MigrateOptions
  /** What the workload has under way. */
  readonly current: MigrationView | undefined
}

/** The migration that is watched: asked for now, or before a connection was lost, with the answer or without. */
async function ours(
  client: CoordinatorClient,
  { watch, workload, options, current }: Asked,
): Promise<Reply<'migrate'>> {
  const { to, explain, ...chosen } = options
  if (watch.id !== undefined) return client.request({ op: 'migration', migration: watch.id })
  if (watch.wasAsked && current !== undefined && (to === undefined || current.to === to))
    return { migration: current }
  watch.wasAsked = true
  return client.request({
    op: 'migrate',
    workload,
    ...(to !== undefined && { to }),
    options: migrationOptionsOf(chosen),
    ...(explain === true && { explain }),
  })
}

function show({ io }: Session, { workload, from, to, status, report, error }: MigrationView): void {
  if (report !== undefined) for (const line of renderReport(report)) io.out(line)
  if (status === 'completed') return
  const why = error === undefined ? '' : ` (${error.kind}): ${error.message}`
  io.err(`${workload}: ${from} -> ${to} ${status}${why}`)
}

class MigrationWatch {
  readonly ended: Promise<void>
  /** The request went out, whether or not it arrived. */
  wasAsked = false
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

  /** Undefined until the coordinator has said. */
  get id(): string | undefined {
    return this.#view?.id
  }

  /** Under way as far as is known. */
  get isOpen(): boolean {
    return this.#view !== undefined && !ENDED.includes(this.#view.status)
  }

  /** The reply has told which migration is ours. Its events may have been faster. */
  begin(view: MigrationView): void {
    this.#update(view)
    for (const early of this.#early.splice(0)) if (early.id === view.id) this.#update(early)
  }

  event(event: ClientEvent): void {
    if (event.kind === 'workload') {
      this.#workloadEnded = ENDED_WORKLOAD.includes(event.workload.status)
      if (this.#workloadEnded) this.#complete()
    } else if (event.kind === 'migration') {
      if (this.#view === undefined) this.#early.push(event.migration)
      else if (event.migration.id === this.#view.id) this.#update(event.migration)
    }
  }

  /** The migration with all that will be known of it, as far as it is worth waiting for. */
  async final(client: CoordinatorClient): Promise<MigrationView> {
    const view = this.#view as MigrationView
    if (this.#isPartial()) {
      await new Promise<void>((resolve) => {
        this.#complete = resolve
        setTimeout(resolve, LOST_TIME_WAIT_MS).unref()
      })
      const { migration } = await client.request({ op: 'migration', migration: view.id })
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
