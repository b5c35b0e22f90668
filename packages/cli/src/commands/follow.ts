/**
 * `follow`: a workload's steps as they are accepted. At a terminal the newest stands in one line, with the loss
 * curve; elsewhere, and with --json, each has a line of its own.
 */

import { throughLosses } from '@godwit/client'
import type { ClientEvent, MigrationStatus, MigrationView, Output, WorkloadView } from '@godwit/protocol'
import { sparkline } from '../render/sparkline.ts'
import { ENDED_WORKLOAD, renderDivergence, renderStep, renderWorkload } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export interface FollowOptions {
  fromStep?: number
}

/** Steps in the curve of the live line. */
const CURVE_STEPS = 2000
const CURVE_WIDTH = 24

/**
 * Settles when the workload has ended and its steps are shown: 1 if it failed. With another connection it goes on from the step it
 * was at.
 */
export async function follow(session: Session, workloadId: string, options: FollowOptions): Promise<number> {
  const { io, json } = session
  const view = new FollowView(session, options.fromStep)
  const hint = () => io.err(`${workloadId} goes on; to end it: godwit stop ${workloadId}`)
  io.interrupted.addEventListener('abort', hint)
  try {
    const ended = await throughLosses(session, async (client) => {
      const unlisten = client.listen((id, event) => {
        if (id === workloadId) view.event(event)
      })
      try {
        const { fromStep } = view
        const request = { op: 'follow', workload: workloadId } as const
        view.beginsAnew()
        const { workload } = await client.request(fromStep === undefined ? request : { ...request, fromStep })
        view.begin(workload)
        return await view.ended
      } finally {
        unlisten()
      }
    })
    if (json) printJson(io, { workload: ended })
    else io.out(renderWorkload(ended))
    return ended.status === 'failed' ? 1 : 0
  } finally {
    io.interrupted.removeEventListener('abort', hint)
  }
}

class FollowView {
  /** Settles with the workload when it has ended and no step of it is still to come. */
  readonly ended: Promise<WorkloadView>
  readonly #session: Session
  #resolve: (workload: WorkloadView) => void = () => {}
  #workload: WorkloadView | undefined
  /** Undefined while nothing of the past is awaited and nothing was shown. */
  #nextStep: number | undefined
  /** Steps that came before the workload did: on whose host they ran is not known yet. */
  readonly #early: (readonly Output[])[] = []
  readonly #losses: number[] = []
  #migrationStatus: MigrationStatus | undefined
  #status: WorkloadView['status'] | undefined
  #hasDiverged = false

  constructor(session: Session, fromStep: number | undefined) {
    this.#session = session
    this.#nextStep = fromStep
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** The step from which on steps are still to be shown; undefined: from now on. */
  get fromStep(): number | undefined {
    return this.#nextStep
  }

  /** What was known of the workload is of a connection that is gone. */
  beginsAnew(): void {
    this.#workload = undefined
    this.#early.length = 0
  }

  /** The reply to `follow`. Events may have been faster, and what they say of the workload is newer. */
  begin(workload: WorkloadView): void {
    if (this.#workload === undefined) this.event({ kind: 'workload', workload })
  }

  event(event: ClientEvent): void {
    if (event.kind === 'workload') {
      this.#workload = event.workload
      this.#showTroubles(event.workload)
      for (const outputs of this.#early.splice(0)) this.#showSteps(outputs)
    } else if (event.kind === 'migration') this.#showMigration(event.migration)
    else if (event.kind === 'logs' || event.kind === 'pages') return
    else if (this.#workload === undefined) this.#early.push(event.outputs)
    else this.#showSteps(event.outputs)
    this.#checkEnd()
  }

  #showSteps(outputs: readonly Output[]): void {
    const { io, json } = this.#session
    for (const output of outputs) {
      if (output.step < (this.#nextStep ?? 0)) continue
      this.#nextStep = output.step + 1
      this.#losses.push(output.loss)
      if (this.#losses.length > CURVE_STEPS) this.#losses.shift()
      const line = renderStep(output, this.#hostOf(output.epoch))
      if (json) printJson(io, output)
      else if (io.columns === undefined) io.out(line)
      else io.live(`${sparkline(this.#losses, CURVE_WIDTH)}  ${line}`)
    }
  }

  /** Once each. With --json they are in the workload that is printed at its end. */
  #showTroubles(workload: WorkloadView): void {
    const { io, json } = this.#session
    const { status, diverged } = workload
    if (!json && status === 'restarting' && this.#status !== status) io.err(renderWorkload(workload))
    if (!json && diverged !== undefined && !this.#hasDiverged)
      io.err(`${workload.id}: ${renderDivergence(diverged)}`)
    this.#status = status
    this.#hasDiverged ||= diverged !== undefined
  }

  #showMigration({ id, from, to, status }: MigrationView): void {
    const { io, json } = this.#session
    if (status === this.#migrationStatus) return
    this.#migrationStatus = status
    if (json) printJson(io, { migration: { id, from, to, status } })
    else io.err(`migration ${from} -> ${to} ${status}`)
  }

  #hostOf(epoch: number): string {
    return this.#workload?.ranges.find((range) => range.epoch === epoch)?.host ?? this.#workload?.host ?? '?'
  }

  #checkEnd(): void {
    const workload = this.#workload
    if (workload === undefined || !ENDED_WORKLOAD.includes(workload.status)) return
    if ((this.#nextStep ?? Number.POSITIVE_INFINITY) >= workload.acceptedSteps) this.#resolve(workload)
  }
}
