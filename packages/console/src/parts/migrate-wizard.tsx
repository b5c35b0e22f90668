/**
 * Moves one job or several: which, where to, and how, with what a move would meet and cost at each target before one says yes; then it is asked for, job
 * by job, and what came of each is said.
 */
import type { WorkloadView } from '@godwit/protocol'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ask } from '../api/ask.ts'
import { plural } from '../format/units.ts'
import { isOver } from '../state/jobs.ts'
import { isEnded } from '../state/moves.ts'
import { hosts, jobs, moves } from '../state/store.ts'
import { compareNames } from '../state/tree.ts'
import { Dialog } from '../ui/dialog.tsx'
import { focusField } from '../ui/fields.tsx'
import { type AskedOptions, checkForm, FIRST_FORM } from './migrate-form.ts'
import { TargetLooks } from './migrate-looks.tsx'
import { MigrateOptions, WhatMoves } from './migrate-options.tsx'
import { MigrateResults, type Result, resultOf } from './migrate-results.tsx'
import { TargetTable } from './migrate-target-table.tsx'
import { costOf, keyOf, outcomeOf, targetsOf, wishesOf } from './migrate-targets.ts'
import './migrate-wizard.css'
import { Preflights } from './preflights.ts'

interface MigrateWizardProps {
  readonly jobs: readonly string[]
  /** As it was dropped on; otherwise the coordinator chooses. */
  readonly to: string | undefined
  closed(): void
}

export function MigrateWizard({ jobs: first, to, closed }: MigrateWizardProps) {
  const [chosenJobs, setJobs] = useState<readonly string[]>(first)
  const [target, setTarget] = useState(to)
  const [results, setResults] = useState<readonly Result[]>()
  const title = chosenJobs.length === 1 ? `Migrate ${chosenJobs[0]}` : `Migrate ${chosenJobs.length} jobs`
  const send = async (wanted: readonly string[], options: AskedOptions): Promise<void> => {
    const found: Result[] = wanted.map((job) => ({ job, state: 'asking' }))
    setResults([...found])
    for (const [index, job] of wanted.entries()) {
      found[index] = await resultOf(job, target, options)
      setResults([...found])
    }
  }
  return (
    <Dialog title={title} isWide closed={closed}>
      {results === undefined ? (
        <Choices
          jobIds={chosenJobs}
          target={target}
          setJobs={setJobs}
          setTarget={setTarget}
          send={(wanted, options) => void send(wanted, options)}
          closed={closed}
        />
      ) : (
        <MigrateResults
          results={results}
          closed={closed}
          again={(refused) => {
            setJobs(refused)
            setResults(undefined)
          }}
        />
      )}
    </Dialog>
  )
}

interface ChoicesProps {
  readonly jobIds: readonly string[]
  readonly target: string | undefined
  setJobs(ids: readonly string[]): void
  setTarget(target: string | undefined): void
  send(wanted: readonly string[], options: AskedOptions): void
  closed(): void
}

/** So long after a key nothing is looked at: a number is typed digit by digit. */
const TYPING_MS = 500

function Choices({ jobIds, target, setJobs, setTarget, send, closed }: ChoicesProps) {
  const [form, setForm] = useState(FIRST_FORM)
  const [isTold, setTold] = useState(false)
  const element = useRef<HTMLFormElement>(null)
  const preflights = useMemo(() => new Preflights(askPreflight), [])
  const chosen = jobIds.map((id) => jobs.get(id)).filter((job) => job !== undefined)
  const targets = targetsOf(hosts.all(), chosen)
  const { options, problems } = checkForm(form)
  const wishes = wishesOf(targets, chosen, target)
  const asked = JSON.stringify([wishes, options])
  useEffect(() => {
    if (options === undefined) return
    const timer = setTimeout(() => preflights.want(wishes, options), TYPING_MS)
    return () => clearTimeout(timer)
  }, [asked, preflights])
  useEffect(() => () => preflights.stop(), [preflights])

  const looks = preflights.looks.value
  const moving = chosen.filter(({ host }) => target === undefined || host !== target)
  const shown = moving.map(({ id }) => ({ job: id, look: looks.get(keyOf({ job: id, to: target })) }))
  const cost = costOf(shown.map(({ look }) => look))
  const isBlocked = outcomeOf(shown.map(({ look }) => look))?.tone === 'bad'
  const submit = (event: Event): void => {
    event.preventDefault()
    setTold(true)
    if (options === undefined) return focusField(element.current, Object.keys(problems)[0])
    if (moving.length === 0) return element.current?.querySelector<HTMLElement>('input')?.focus()
    preflights.stop()
    send(
      moving.map(({ id }) => id),
      options,
    )
  }
  return (
    <form ref={element} class="form wizard" noValidate onSubmit={submit} onKeyDown={onlyByButton}>
      <div class="dialog-body">
        <ChosenJobs chosen={chosen} setJobs={setJobs} />
        <WhatMoves
          hasBundle={chosen.some(({ bundle }) => bundle !== undefined)}
          form={form}
          setForm={setForm}
        />
        <TargetTable
          targets={targets}
          chosen={target}
          looks={looks}
          jobs={jobIds}
          choose={setTarget}
          stop={() => preflights.stop()}
          again={() => preflights.again()}
        />
        <TargetLooks looks={shown} />
        <MigrateOptions form={form} setForm={setForm} problems={isTold ? problems : undefined} />
      </div>
      <div class="dialog-foot form-foot">
        <p role="status" class="form-said">
          {moving.length === 0 ? (
            <span class="bad">Choose a job, and a target on which it is not.</span>
          ) : cost === undefined ? (
            <span class="muted">What it would cost is not known yet.</span>
          ) : (
            <>
              Expected downtime <b>{cost.downtime}</b>, in all <b>{cost.total}</b>
            </>
          )}
          {isBlocked && <span class="bad"> As it looks it would be refused.</span>}
        </p>
        <button type="button" onClick={closed}>
          Keep as it is
        </button>
        <button type="submit" class="primary">
          {isBlocked ? 'Ask anyway' : moving.length > 1 ? `Migrate ${moving.length} jobs` : 'Migrate'}
        </button>
      </div>
    </form>
  )
}

/** Enter in a field is no yes: the button is, beside which it says what it would cost. */
function onlyByButton(event: KeyboardEvent): void {
  if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.preventDefault()
}

async function askPreflight({ job, to }: { job: string; to: string | undefined }, options: AskedOptions) {
  const { preflight } = await ask({
    op: 'preflight',
    workload: job,
    ...(to !== undefined && { to }),
    options,
  })
  return preflight
}

interface ChosenJobsProps {
  readonly chosen: readonly WorkloadView[]
  setJobs(ids: readonly string[]): void
}

function ChosenJobs({ chosen, setJobs }: ChosenJobsProps) {
  const ids = chosen.map(({ id }) => id)
  const others = jobs
    .all()
    .filter((job) => !ids.includes(job.id) && mayMove(job))
    .map(({ id }) => id)
    .sort(compareNames)
  return (
    <fieldset>
      <legend>{chosen.length === 1 ? 'Job' : plural(chosen.length, 'job')}</legend>
      <ul class="chosen-jobs">
        {chosen.map(({ id, host }) => (
          <li key={id}>
            <b>{id}</b> <span class="muted">on {host}</span>
            {chosen.length > 1 && (
              <button
                type="button"
                class="icon"
                aria-label={`Leave ${id} where it is`}
                onClick={() => setJobs(ids.filter((each) => each !== id))}
              >
                ✕
              </button>
            )}
          </li>
        ))}
        {others.length > 0 && (
          <li>
            <select
              aria-label="Move another job too"
              value=""
              onChange={({ currentTarget }) => {
                if (currentTarget.value !== '') setJobs([...ids, currentTarget.value])
                currentTarget.value = ''
              }}
            >
              <option value="">and another…</option>
              {others.map((id) => (
                <option key={id} value={id}>
                  {id}
                </option>
              ))}
            </select>
          </li>
        )}
      </ul>
    </fieldset>
  )
}

/** It trains, and has no move under way. */
function mayMove(job: WorkloadView): boolean {
  const move = job.migration === undefined ? undefined : moves.peek(job.migration)
  return !isOver(job) && job.status === 'running' && (move === undefined || isEnded(move.status))
}
