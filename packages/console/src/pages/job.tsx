/** A job: how it is doing, its curves, where it ran and when, its moves, and what may be done with it. */
import type { MigrationView, MoveEntry, WorkloadView } from '@godwit/protocol'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { allMoves } from '../api/lists.ts'
import { session } from '../api/session.ts'
import { formatDuration, formatLoss, formatMs, formatNumber, grouped } from '../format/units.ts'
import { CurveChart } from '../parts/curve-chart.tsx'
import { titleOf } from '../parts/curve-panels.ts'
import { jobOffers } from '../state/actions.ts'
import { nowMs } from '../state/clock.ts'
import { type CurveFeed, feedCurve } from '../state/curve-feed.ts'
import { doWithJob } from '../state/doing.ts'
import { type Fetched, useFetched } from '../state/fetched.ts'
import { isOver } from '../state/jobs.ts'
import { isEnded } from '../state/moves.ts'
import { jobs, moves } from '../state/store.ts'
import { Actions } from '../ui/actions.tsx'
import { ErrorText } from '../ui/error-text.tsx'
import { Figures } from '../ui/facts.tsx'
import { HostLink, Link } from '../ui/link.tsx'
import { Bar } from '../ui/meter.tsx'
import { Empty, Section } from '../ui/section.tsx'
import { JobState } from './cells.tsx'
import { AboutJob, CheckpointOf, Moves, ParametersOf, RulesOf, WhereItRan } from './job-about.tsx'
import { Logs } from './logs.tsx'
import { Moving } from './moving.tsx'

export function JobPage({ id }: { readonly id: string }) {
  const job = jobs.get(id)
  if (job === undefined)
    return (
      <div class="page">
        <h1>{id}</h1>
        <Empty>No job of this name is known: it was forgotten, or never started.</Empty>
      </div>
    )
  return <KnownJob job={job} />
}

function KnownJob({ job }: { readonly job: WorkloadView }) {
  const { id } = job
  const move = job.migration === undefined ? undefined : moves.get(job.migration)
  const history = useMoves(job, move)
  const known = history.state === 'here' ? history.value : undefined
  const isMoving = move !== undefined && !isEnded(move.status)
  return (
    <div class="page">
      <JobHead job={job} move={move} />
      {job.error !== undefined && <ErrorText error={job.error} />}
      {job.diverged !== undefined && (
        <p class="error-text" role="note">
          <strong>Step {grouped(job.diverged.step)} gave other bits when it was computed again.</strong> Loss{' '}
          {formatLoss(job.diverged.recomputedLoss)} where {formatLoss(job.diverged.acceptedLoss)} had been
          accepted: the program is not deterministic.
        </p>
      )}
      <JobFigures key={job.startedAtMs} job={job} />
      {isMoving && (
        <Section
          title="Moving"
          aside={<Link to={{ page: 'move', job: id, move: move.id }}>All about this move</Link>}
        >
          <Moving move={move} />
        </Section>
      )}
      <JobCurve key={job.startedAtMs} job={job} moves={known ?? []} />
      <div class="columns">
        <WhereItRan job={job} />
        <AboutJob job={job} />
      </div>
      <Moves job={id} moves={known} />
      <div class="columns">
        <ParametersOf job={job} />
        <RulesOf job={job} />
        <CheckpointOf job={job} />
      </div>
      <Logs key={`${id} ${job.startedAtMs}`} job={id} />
    </div>
  )
}

function JobCurve({
  job,
  moves: history,
}: {
  readonly job: WorkloadView
  readonly moves: readonly MoveEntry[]
}) {
  const { id } = job
  const [feed, setFeed] = useState<CurveFeed>()
  useEffect(() => {
    const begun = feedCurve(id)
    setFeed(begun)
    return begun.end
  }, [id])
  return (
    <Section title="Curves">
      {feed !== undefined && (
        <CurveChart job={id} curve={feed.curve} moves={history} rangeChosen={feed.refine} />
      )}
    </Section>
  )
}

/** Asked for anew when the job has another owner, or a move begins or ends. */
function useMoves(job: WorkloadView, move: MigrationView | undefined): Fetched<MoveEntry[]> {
  const what = [job.id, job.epoch, move?.id, move !== undefined && isEnded(move.status)]
  return useFetched(() => allMoves(job.id), what)
}

function JobHead({ job, move }: { readonly job: WorkloadView; readonly move: MigrationView | undefined }) {
  const role = session.value?.role
  const offers = useMemo(() => (role === undefined ? [] : jobOffers({ job, move, role })), [job, move, role])
  return (
    <header class="page-head">
      <div>
        <p class="eyebrow">Job</p>
        <h1>{job.id}</h1>
        <p class="page-state">
          <JobState id={job.id} />
          <span class="muted">
            {isOver(job) ? 'last on' : 'on'} <HostLink name={job.host} />
          </span>
        </p>
      </div>
      <Actions offers={offers} chosen={(action) => doWithJob(action, job)} />
    </header>
  )
}

function JobFigures({ job }: { readonly job: WorkloadView }) {
  const { id, acceptedSteps, steps, loss, stepsPerSecond, startedAtMs } = job
  // Some are reported at some steps only: what was said of them last stays.
  const metrics = useRef<Record<string, number>>({})
  metrics.current = { ...metrics.current, ...job.metrics }
  const upMs = startedAtMs === undefined || isOver(job) ? undefined : nowMs.value - startedAtMs
  return (
    <div class="job-figures">
      <Bar label={`Steps of ${id}`} share={acceptedSteps / Math.max(1, steps)} isProgress />
      <Figures
        figures={[
          ['Step', `${grouped(acceptedSteps)} of ${grouped(steps)}`],
          ['Loss', formatLoss(loss)],
          ...Object.entries(metrics.current).map(
            ([name, value]) => [titleOf(name), formatNumber(value)] as const,
          ),
          ['Speed', stepsPerSecond === undefined ? '–' : `${formatNumber(stepsPerSecond)} steps/s`],
          ['Step time', formatMs(stepsPerSecond ? 1000 / stepsPerSecond : undefined), 'On average, lately'],
          upMs !== undefined && ['Up for', formatDuration(upMs)],
          ['Epoch', job.epoch, 'Rises with each change of owner'],
        ]}
      />
    </div>
  )
}
