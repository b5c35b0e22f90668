/**
 * `follow`: a workload's steps as they are accepted. At a terminal the newest stands in one line, with the loss
 * curve; elsewhere, and with --json, each has a line of its own.
 */
import type { ClientEvent, MigrationStatus, MigrationView, Output, WorkloadView } from '@godwit/protocol'
import { sparkline } from '../render/sparkline.ts'
import { renderStep, renderWorkload } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export interface FollowOptions {
  fromStep?: number
}

/** Steps in the curve of the live line. */
const CURVE_STEPS = 2000
const CURVE_WIDTH = 24

/** Settles when the workload has ended and its steps are shown: 1 if it failed. */
export async function follow(session: Session, workloadId: string, options: FollowOptions): Promise<number> {
  const view = new FollowView(session, options.fromStep)
  const unlisten = session.client.listen((id, event) => {
    if (id === workloadId) view.event(event)
  })
  const hint = () => session.io.err(`${workloadId} goes on; to end it: godwit stop ${workloadId}`)
  session.io.interrupted.addEventListener('abort', hint)
  try {
    const { fromStep } = options
    const request = { op: 'follow', workload: workloadId } as const
    const { workload } = await session.client.request(
      fromStep === undefined ? request : { ...request, fromStep },
    )
    view.begin(workload)
    const ended = await view.ended
    if (session.json) printJson(session.io, { workload: ended })
    else session.io.out(renderWorkload(ended))
    return ended.status === 'failed' ? 1 : 0
  } finally {
    session.io.interrupted.removeEventListener('abort', hint)
    unlisten()
  }
}

class FollowView {
  /** Settles with the workload when it has ended and no step of it is still to come. */
  readonly ended: Promise<WorkloadView>
  readonly #session: Session
  #resolve: (workload: WorkloadView) => void = () => {}
  #workload: WorkloadView | undefined
  #nextStep: number
  /** Steps that came before the workload did: on whose host they ran is not known yet. */
  readonly #early: (readonly Output[])[] = []
  readonly #losses: number[] = []
  #migrationStatus: MigrationStatus | undefined

  constructor(session: Session, fromStep: number | undefined) {
    this.#session = session
    // Without a first step nothing of the past is awaited.
    this.#nextStep = fromStep ?? Number.POSITIVE_INFINITY
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  /** The reply to `follow`. Events may have been faster, and what they say of the workload is newer. */
  begin(workload: WorkloadView): void {
    if (this.#workload === undefined) this.event({ kind: 'workload', workload })
  }

  event(event: ClientEvent): void {
    if (event.kind === 'workload') {
      this.#workload = event.workload
      for (const outputs of this.#early.splice(0)) this.#showSteps(outputs)
    } else if (event.kind === 'migration') this.#showMigration(event.migration)
    else if (this.#workload === undefined) this.#early.push(event.outputs)
    else this.#showSteps(event.outputs)
    this.#checkEnd()
  }

  #showSteps(outputs: readonly Output[]): void {
    const { io, json } = this.#session
    for (const output of outputs) {
      this.#nextStep = output.step + 1
      this.#losses.push(output.loss)
      if (this.#losses.length > CURVE_STEPS) this.#losses.shift()
      const line = renderStep(output, this.#hostOf(output.epoch))
      if (json) printJson(io, output)
      else if (io.columns === undefined) io.out(line)
      else io.live(`${sparkline(this.#losses, CURVE_WIDTH)}  ${line}`)
    }
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
    if (workload === undefined || workload.status === 'starting' || workload.status === 'running') return
    if (this.#nextStep >= workload.acceptedSteps) this.#resolve(workload)
  }
}
