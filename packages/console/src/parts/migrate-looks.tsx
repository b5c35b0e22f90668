/** What was found at the target that is chosen, job by job: what stands in the way, with what to do, and what it would cost. */
import type { PreflightCheck, PreflightView } from '@godwit/protocol'
import { formatMs, plural } from '../format/units.ts'
import type { Tone } from '../state/jobs.ts'
import { sentence } from '../state/sentence.ts'
import { State } from '../ui/state.tsx'
import type { Look } from './migrate-targets.ts'

interface TargetLooksProps {
  readonly looks: readonly { readonly job: string; readonly look: Look | undefined }[]
}

export function TargetLooks({ looks }: TargetLooksProps) {
  if (looks.length === 0) return null
  return (
    <ul class="target-looks" aria-label="What was found at the target">
      {looks.map(({ job, look }) => (
        <li key={job}>
          {look?.state === 'seen' ? (
            <Seen preflight={look.preflight} />
          ) : look?.state === 'failed' ? (
            <p>
              <b>{job}</b> <span class="warn">could not be checked: {look.message}</span>
            </p>
          ) : (
            <p class="muted">
              <b>{job}</b>{' '}
              {look === undefined
                ? 'has not been checked yet'
                : 'is being checked: a worker starts at the target…'}
            </p>
          )}
        </li>
      ))}
    </ul>
  )
}

const TONES: Record<PreflightCheck['verdict'], Tone> = { pass: 'ok', warning: 'warn', blocker: 'bad' }
const ORDER: readonly PreflightCheck['verdict'][] = ['blocker', 'warning', 'pass']

function Seen({ preflight }: { readonly preflight: PreflightView }) {
  const { workload, from, to, checks, estimate } = preflight
  const ordered = ORDER.flatMap((verdict) => checks.filter((check) => check.verdict === verdict))
  const told = ordered.filter(({ verdict }) => verdict !== 'pass')
  const passed = ordered.length - told.length
  return (
    <>
      <p>
        <b>{workload}</b> {from} → {to ?? 'nowhere'}
        {estimate !== undefined && (
          <span class="muted">
            {' '}
            expected: {formatMs(estimate.downtimeMs)} of downtime, {formatMs(estimate.totalMs)} in all,{' '}
            {plural(estimate.rounds, 'round')}
            {!estimate.converges && '; rounds do not shrink to the limit'}
          </span>
        )}
      </p>
      <Checks checks={told} />
      {passed > 0 && (
        <details>
          <summary>{plural(passed, 'check')} passed</summary>
          <Checks checks={ordered.filter(({ verdict }) => verdict === 'pass')} />
        </details>
      )}
    </>
  )
}

function Checks({ checks }: { readonly checks: readonly PreflightCheck[] }) {
  return (
    <ul class="checks">
      {checks.map(({ check, verdict, message, advice }) => (
        <li key={check}>
          <State tone={TONES[verdict]} word={verdict === 'pass' ? check : `${verdict}: ${check}`} />
          <p>
            {sentence(message)}.{advice !== undefined && <span class="muted"> To do: {advice}.</span>}
          </p>
        </li>
      ))}
    </ul>
  )
}
