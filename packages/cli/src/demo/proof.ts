/**
 * The claim and its proof: a job is trained and moved while it trains, then trained again and never moved, and the two are compared bit by bit.
 *
 * The runs follow each other, since together they would compete for the same cores and the pauses would be longer than they are.
 */

import type { CoordinatorClient } from '@godwit/client'
import type { MigrationReport } from '@godwit/protocol'
import { renderReport } from '../render/report.ts'
import { renderVerdict } from '../render/verdict.ts'
import type { Narrator } from './narrator.ts'
import { RecordedRun, type RunObserver, type RunPlan } from './recorded-run.ts'
import { type Comparison, compareRuns } from './recording.ts'

export interface Claim {
  readonly plan: RunPlan
  /** What is said of the run that moves. */
  readonly title: string
  /** Where the run that never moves trains. */
  readonly controlHost: string
  /** Told of the run that moves; the narrator is told in any case. */
  readonly observer?: RunObserver
  /** Of moves that the plan does not make. */
  readonly otherReports?: () => Promise<MigrationReport[]>
}

export interface Proof {
  readonly reports: MigrationReport[]
  readonly comparison: Comparison
  readonly lostTimeMs: number
  readonly tracker: string | undefined
}

/** Says all of it. Throws what made a run or a migration fail. */
export async function prove(client: CoordinatorClient, narrator: Narrator, claim: Claim): Promise<Proof> {
  const { plan, title, controlHost, observer } = claim
  const { program, steps } = plan.request
  narrator.begin(`${program}, ${title}`, steps)
  const migrated = new RecordedRun(client, plan, {
    stepped: (run) => {
      narrator.stepped(run)
      observer?.stepped(run)
    },
    migration: (view) => {
      narrator.migration(view)
      observer?.migration(view)
    },
  })
  const planned = await migrated.run()
  const reports = [...planned, ...((await claim.otherReports?.()) ?? [])]

  narrator.begin(`${program}, never moved`, steps)
  const request = { ...plan.request, id: 'control', host: controlHost }
  const control = new RecordedRun(client, { ...plan, request, migrationSteps: [] }, narrator)
  await control.run()

  const comparison = compareRuns(migrated.recorder, control.recorder, steps)
  const lostTimeMs = reports.reduce((sum, report) => sum + (report.lostTimeMs ?? 0), 0)
  for (const report of reports) {
    narrator.say()
    for (const line of renderReport(report)) narrator.say(line)
  }
  narrator.say()
  for (const line of renderVerdict(comparison, reports.length, lostTimeMs)) narrator.say(line)
  return { reports, comparison, lostTimeMs, tracker: migrated.workload?.tracker }
}
