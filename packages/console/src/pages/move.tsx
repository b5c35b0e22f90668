/** A move: as it goes on, and its report once it is over. */
import { ask } from '../api/ask.ts'
import { session } from '../api/session.ts'
import { formatDuration, formatMs } from '../format/units.ts'
import { STALL_WORDS } from '../parts/migrate-form.ts'
import { MoveReport } from '../parts/move-report.tsx'
import { jobOffers } from '../state/actions.ts'
import { doWithJob } from '../state/doing.ts'
import { useFetched } from '../state/fetched.ts'
import { isEnded } from '../state/moves.ts'
import { jobs, moves } from '../state/store.ts'
import { moveState } from '../state/tasks.ts'
import { Actions } from '../ui/actions.tsx'
import { ErrorText } from '../ui/error-text.tsx'
import { Facts } from '../ui/facts.tsx'
import { JobLink } from '../ui/link.tsx'
import { Empty, Section } from '../ui/section.tsx'
import { State } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'
import { Moving } from './moving.tsx'

export function MovePage({ job: jobId, id }: { readonly job: string; readonly id: string }) {
  const live = moves.get(id)
  // Of those that were over long ago the page knows nothing by itself, and a report gets its lost time later.
  const fetched = useFetched(() => ask({ op: 'migration', migration: id }), [id, live?.status])
  const move = live ?? (fetched.state === 'here' ? fetched.value.migration : undefined)
  if (move === undefined)
    return (
      <div class="page">
        <h1>Move of {jobId}</h1>
        <Empty>{fetched.state === 'refused' ? fetched.error.message : 'Loading…'}</Empty>
      </div>
    )
  const job = jobs.get(move.workload)
  const role = session.value?.role
  const isOver = isEnded(move.status)
  const offers = isOver || job === undefined || role === undefined ? [] : jobOffers({ job, move, role })
  const { options, maintenance, error, startedAtMs, report } = move
  return (
    <div class="page">
      <header class="page-head">
        <div>
          <p class="eyebrow">
            Move of <JobLink id={move.workload} />
          </p>
          <h1>
            {move.from} → {move.to}
          </h1>
          <p class="page-state">
            <State {...moveState(move)} />
            <span class="muted">
              <When atMs={startedAtMs} />
            </span>
          </p>
        </div>
        {job !== undefined && (
          <Actions
            offers={offers.filter(({ action }) =>
              ['hold', 'switchover', 'pause', 'resume', 'cancel'].includes(action),
            )}
            chosen={(action) => doWithJob(action, job)}
          />
        )}
      </header>
      {error !== undefined && <ErrorText error={error} />}
      {!isOver && (
        <Section title="Progress">
          <Moving move={move} />
        </Section>
      )}
      {isOver && report !== undefined && (
        <Section title="Report">
          <MoveReport report={report} limitMs={options.downtimeLimitMs} />
        </Section>
      )}
      {isOver && report === undefined && (
        <Empty>It has no report: it did not come as far as its switchover.</Empty>
      )}
      <Section title="Options">
        <Facts
          facts={[
            ['Id', <code>{move.id}</code>],
            maintenance !== undefined && ['Asked for by', 'a maintenance', maintenance],
            ['Priority', options.priority],
            ['Downtime limit', formatMs(options.downtimeLimitMs)],
            ['Method', options.method],
            ['Park point', options.parkPoint],
            ['Codec', options.codec],
            ['Streams', options.streams ?? 'auto'],
            ['Asked to be held', options.hold ? 'yes' : 'no', 'Before its switchover'],
            ['When rounds no longer shrink', STALL_WORDS[options.onStall]],
            [
              'Switches over within',
              `${formatDuration(options.timeoutMs)}, or ${options.onTimeout === 'force' ? 'is forced to' : 'is cancelled'}`,
            ],
            ['Memory compared', options.verify ? 'yes' : 'no'],
          ]}
        />
      </Section>
    </div>
  )
}
