/** What is written down of a job: where it ran, its parameters and rules, its latest checkpoint. */
import type { MoveEntry, WorkloadView } from '@godwit/protocol'
import { mayAsk } from '@godwit/protocol/light'
import { ask } from '../api/ask.ts'
import { session } from '../api/session.ts'
import { formatBytes, formatMs, grouped, plural, UNKNOWN } from '../format/units.ts'
import { useFetched } from '../state/fetched.ts'
import { isOver } from '../state/jobs.ts'
import { overlay } from '../state/overlays.ts'
import { sentence } from '../state/sentence.ts'
import { MOVE_WORDS } from '../state/tasks.ts'
import { Facts, Tags } from '../ui/facts.tsx'
import { HostLink, JobLink, Link } from '../ui/link.tsx'
import { Empty, Section } from '../ui/section.tsx'
import { Mark, State } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'

/** Which steps were taken where: a strip as long as the run so far, and the same in words. */
export function WhereItRan({ job }: { readonly job: WorkloadView }) {
  const { ranges, acceptedSteps } = job
  const shown = ranges.map(({ epoch, host, fromStep }, index) => {
    const toStep = ranges[index + 1]?.fromStep ?? acceptedSteps
    return { epoch, host, fromStep, steps: Math.max(0, toStep - fromStep) }
  })
  const hosts = [...new Set(ranges.map(({ host }) => host))]
  const ran = shown.filter(({ steps }) => steps > 0)
  return (
    <Section title="Where it ran">
      <div class="strip" aria-hidden="true">
        {ran.map(({ epoch, host, steps, fromStep }) => (
          <span
            key={epoch}
            class={`strip-part shade-${hosts.indexOf(host) % 4}`}
            style={{ flexGrow: steps }}
            title={`${host}: ${grouped(steps)} steps from ${grouped(fromStep)}`}
          >
            {host}
          </span>
        ))}
      </div>
      <ol class="ranges">
        {shown.map(({ epoch, host, fromStep, steps }) => (
          <li key={epoch}>
            <HostLink name={host} />
            <span class="muted">
              {steps === 0 ? 'no step' : `${plural(steps, 'step')} from ${grouped(fromStep)}`} · epoch {epoch}
            </span>
          </li>
        ))}
      </ol>
    </Section>
  )
}

export function Moves({
  job,
  moves,
}: {
  readonly job: string
  readonly moves: readonly MoveEntry[] | undefined
}) {
  return (
    <Section title="Moves">
      {moves === undefined ? (
        <Empty>Loading…</Empty>
      ) : moves.length === 0 ? (
        <Empty>It has not moved yet.</Empty>
      ) : (
        <div class="table-scroll">
          <table class="lines">
            <caption class="visually-hidden">Moves</caption>
            <thead>
              <tr>
                <th scope="col">Started</th>
                <th scope="col">Way</th>
                <th scope="col">State</th>
                <th scope="col" class="number minor">
                  At step
                </th>
                <th scope="col" class="number">
                  Downtime
                </th>
                <th scope="col" class="number minor">
                  Took
                </th>
                <th scope="col" class="number minor">
                  Sent
                </th>
              </tr>
            </thead>
            <tbody>
              {[...moves].reverse().map((move) => (
                <MoveLine key={move.id} job={job} move={move} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Section>
  )
}

function MoveLine({ job, move }: { readonly job: string; readonly move: MoveEntry }) {
  const { id, from, to, status, startedAtMs, step, downtimeMs, totalMs, wireBytes, error } = move
  const [tone, word] = MOVE_WORDS[status]
  return (
    <tr>
      <td class="small">
        <When atMs={startedAtMs} />
      </td>
      <td class="way">
        <Link to={{ page: 'move', job, move: id }}>
          {from} → {to}
        </Link>
      </td>
      <td>
        <span title={error?.message}>
          <State tone={tone} word={word} />
        </span>
      </td>
      <td class="number minor">{grouped(step)}</td>
      <td class="number">{formatMs(downtimeMs)}</td>
      <td class="number minor">{formatMs(totalMs)}</td>
      <td class="number minor">{formatBytes(wireBytes)}</td>
    </tr>
  )
}

export function AboutJob({ job }: { readonly job: WorkloadView }) {
  const { program, tracker, trackerReason, restartPolicy, restarts, stateDigest, startedAtMs } = job
  return (
    <Section title="About">
      <Facts
        facts={[
          ['Program', <code>{program}</code>],
          ['Started', <When atMs={startedAtMs} />],
          ['Dirty tracking', tracker ?? UNKNOWN, trackerReason],
          ['Restarts', restartPolicy === 'never' ? 'never' : `on failure (${restarts} so far)`],
          stateDigest !== undefined && [
            'Memory at the end',
            <code>{stateDigest.slice(0, 16)}…</code>,
            stateDigest,
          ],
        ]}
      />
    </Section>
  )
}

export function RulesOf({ job }: { readonly job: WorkloadView }) {
  const { requires = {}, with: together, apartFrom } = job.rules ?? {}
  const needsLabels = Object.keys(requires).length > 0
  const isFree = !needsLabels && together === undefined && apartFrom === undefined
  return (
    <Section title="Placement rules" aside={<EditRules job={job} />}>
      {isFree ? (
        <Empty>It may be on any host.</Empty>
      ) : (
        <Facts
          facts={[
            needsLabels && ['Its host needs labels', <Tags labels={requires} />],
            together !== undefined && ['On one host with', <JobLinks ids={together} />],
            apartFrom !== undefined && ['Never on one host with', <JobLinks ids={apartFrom} />],
          ]}
        />
      )}
      {!isFree && !isOver(job) && <BrokenRules job={job} />}
    </Section>
  )
}

function EditRules({ job }: { readonly job: WorkloadView }) {
  const role = session.value?.role
  if (role === undefined || !mayAsk(role, 'setRules') || isOver(job)) return null
  return (
    <button
      type="button"
      class="quiet"
      onClick={() => {
        overlay.value = { kind: 'rules', job: job.id }
      }}
    >
      Change rules…
    </button>
  )
}

/** What its present host breaks of its rules, as the coordinator says it. */
function BrokenRules({ job: { id, host, rules } }: { readonly job: WorkloadView }) {
  const fetched = useFetched(() => ask({ op: 'rules', workload: id }), [id, host, JSON.stringify(rules)])
  const broken = fetched.state === 'here' ? fetched.value.broken : []
  if (broken.length === 0) return null
  return (
    <ul class="broken" aria-label="What its present host breaks">
      {broken.map((what) => (
        <li key={what}>
          <Mark tone="warn" /> <span>{sentence(what)}.</span>
        </li>
      ))}
    </ul>
  )
}

function JobLinks({ ids }: { readonly ids: readonly string[] }) {
  return (
    <>
      {ids.map((id, index) => (
        <span key={id}>
          {index > 0 && ', '}
          <JobLink id={id} />
        </span>
      ))}
    </>
  )
}

export function ParametersOf({ job: { parameters } }: { readonly job: WorkloadView }) {
  const entries = Object.entries(parameters)
  return (
    <Section title="Parameters">
      {entries.length === 0 ? (
        <Empty>None were given.</Empty>
      ) : (
        <Facts facts={entries.map(([name, value]) => [name, <code>{String(value)}</code>] as const)} />
      )}
    </Section>
  )
}

export function CheckpointOf({ job: { checkpoint } }: { readonly job: WorkloadView }) {
  return (
    <Section title="Checkpoint">
      {checkpoint === undefined ? (
        <Empty>None has been written. A worker that is lost begins anew.</Empty>
      ) : (
        <Facts
          facts={[
            ['At step', grouped(checkpoint.step)],
            ['On', <HostLink name={checkpoint.host} />],
            ['On disk', formatBytes(checkpoint.fileBytes)],
            [
              'Written',
              `${formatBytes(checkpoint.writtenBytes)}${checkpoint.incremental ? ', what had changed' : ''}`,
            ],
            ['Training stood for', formatMs(checkpoint.stallMs)],
            ['Took', formatMs(checkpoint.totalMs)],
          ]}
        />
      )}
    </Section>
  )
}
