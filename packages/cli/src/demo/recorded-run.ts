/**
 * One run of the demo: started, recorded from its first step to its last, and moved meanwhile as often as asked.
 */

import type { CoordinatorClient } from '@godwit/client'
import {
  type ClientEvent,
  type ClientRequestInput,
  fromErrorReport,
  GodwitError,
  type MigrationReport,
  type MigrationView,
  type WorkloadView,
} from '@godwit/protocol'
import { ENDED } from '../render/progress.ts'
import { nextStart } from './plan.ts'
import { Recorder } from './recording.ts'

const MORE_STEPS = 'give more --steps or fewer --migrations'

export interface RunPlan {
  request: Extract<ClientRequestInput, { op: 'run' }>
  /** At which steps to move, and between which hosts. */
  migrationSteps: readonly number[]
  hosts: readonly [string, string]
  downtimeLimitMs: number | undefined
}

/** What a run tells while it goes on. */
export interface RunObserver {
  stepped(run: RecordedRun): void
  migration(view: MigrationView): void
}

export class RecordedRun {
  readonly recorder = new Recorder()
  /** First steps at each target. */
  readonly marks: number[] = []
  readonly #client: CoordinatorClient
  readonly #plan: RunPlan
  readonly #observer: RunObserver
  #id = ''
  #migration: MigrationView | undefined
  #wake: () => void = () => {}

  constructor(client: CoordinatorClient, plan: RunPlan, observer: RunObserver) {
    this.#client = client
    this.#plan = plan
    this.#observer = observer
  }

  get workload(): WorkloadView | undefined {
    return this.recorder.workload
  }

  /** Runs to the end and gives the migrations' reports. Throws what made the workload or a migration fail. */
  async run(): Promise<MigrationReport[]> {
    const { workload } = await this.#client.request(this.#plan.request)
    this.#id = workload.id
    const unlisten = this.#client.listen((id, event) => {
      if (id === this.#id) this.#event(event)
    })
    try {
      const followed = await this.#client.request({ op: 'follow', workload: this.#id, fromStep: 0 })
      this.recorder.workload ??= followed.workload
      const ids: string[] = []
      let doneStep: number | undefined
      for (const [index, plannedStep] of this.#plan.migrationSteps.entries()) {
        await this.#reached(nextStart(plannedStep, doneStep))
        ids.push(await this.#migrate(this.#plan.hosts[(index + 1) % 2] as string))
        doneStep = this.recorder.losses.length
      }
      await this.#until(() => this.#isComplete())
      return await Promise.all(ids.map((id) => this.#report(id)))
    } finally {
      unlisten()
      await this.#client.request({ op: 'unfollow', workload: this.#id }).catch(() => {})
    }
  }

  async #migrate(to: string): Promise<string> {
    const { downtimeLimitMs } = this.#plan
    const options = downtimeLimitMs === undefined ? {} : { downtimeLimitMs }
    const { migration } = await this.#client.request({ op: 'migrate', workload: this.#id, to, options })
    const { id } = migration
    const ended = () => this.#migration?.id === id && ENDED.includes(this.#migration.status)
    await this.#until(ended)
    const { status, error, report } = this.#migration as MigrationView
    if (status === 'completed') {
      this.marks.push(report?.step ?? this.recorder.losses.length)
      return id
    }
    if (error === undefined) throw new GodwitError('internal', `the migration to ${to} ended as ${status}`)
    const hint = error.kind === 'workload-ended' ? `: ${MORE_STEPS}` : ''
    throw fromErrorReport({ ...error, message: `the migration to ${to} ${status}: ${error.message}${hint}` })
  }

  /** Asked again at the end: the lost time is known only ten steps after the move. */
  async #report(id: string): Promise<MigrationReport> {
    const { migration } = await this.#client.request({ op: 'migration', migration: id })
    if (migration.report === undefined) {
      throw new GodwitError('internal', `the coordinator has no report of migration ${id}`)
    }
    return migration.report
  }

  async #reached(step: number): Promise<void> {
    await this.#until(() => this.recorder.losses.length > step)
  }

  /** Throws as soon as the workload has ended in another way than by finishing, or before `holds` could. */
  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      const { workload } = this
      if (workload?.status === 'failed' || workload?.status === 'stopped') {
        const { error } = workload
        if (error !== undefined) throw fromErrorReport(error)
        throw new GodwitError(
          'not-running',
          `the workload was ${workload.status} at step ${workload.acceptedSteps}`,
        )
      }
      if (this.#isComplete()) {
        throw new GodwitError(
          'workload-ended',
          `the run was over before all migrations were done: ${MORE_STEPS}`,
        )
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #isComplete(): boolean {
    const { workload, recorder } = this
    return workload?.status === 'finished' && recorder.losses.length >= workload.acceptedSteps
  }

  #event(event: ClientEvent): void {
    if (event.kind === 'workload') this.recorder.workload = event.workload
    else if (event.kind === 'steps') {
      for (const output of event.outputs) this.recorder.add(output)
      this.#observer.stepped(this)
    } else if (event.kind === 'migration') {
      this.#migration = event.migration
      this.#observer.migration(event.migration)
    }
    this.#wake()
  }
}
