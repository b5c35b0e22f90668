/**
 * Starts a job: which program, where, how long, with which parameters. It is answered when the job trains, or could not start; then its page is shown, or why
 * the host was chosen, if that was wanted. Whoever closes the dialog before is told all the same.
 */
import type { HostView, Reply, Verdict } from '@godwit/protocol'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ask, type Refusal, refusalOf } from '../api/ask.ts'
import { formatNumber } from '../format/units.ts'
import { whyClosed } from '../state/hosts.ts'
import type { Tone } from '../state/jobs.ts'
import { go } from '../state/location.ts'
import { hosts, jobs } from '../state/store.ts'
import { compareNames } from '../state/tree.ts'
import { Dialog } from '../ui/dialog.tsx'
import { ErrorText } from '../ui/error-text.tsx'
import { CheckField, type Choice, ChoiceField, focusField, LinesField, TextField } from '../ui/fields.tsx'
import { say, sayRefusal } from '../ui/notices.tsx'
import { State } from '../ui/state.tsx'
import { RulesFields } from './rules-fields.tsx'
import { checkRun, firstForm, OTHER, programsOf, type RunField, type RunForm } from './run-form.ts'

interface RunDialogProps {
  /** Empty: the coordinator chooses. */
  readonly host: string | undefined
  /** A job that is to be run again. */
  readonly like: string | undefined
  closed(): void
}

export function RunDialog({ host, like, closed }: RunDialogProps) {
  const [placed, setPlaced] = useState<Reply<'run'>>()
  const title =
    placed !== undefined
      ? `${placed.workload.id} on ${placed.workload.host}`
      : like === undefined
        ? 'Run a job'
        : `Run ${like} again`
  return (
    <Dialog title={title} isWide closed={closed}>
      {placed === undefined ? (
        <Choices host={host} like={like} closed={closed} explained={setPlaced} />
      ) : (
        <Explained placed={placed} closed={closed} />
      )}
    </Dialog>
  )
}

interface ChoicesProps extends RunDialogProps {
  explained(placed: Reply<'run'>): void
}

function Choices({ host, like, closed, explained }: ChoicesProps) {
  const [form, setForm] = useState(() => firstForm(like === undefined ? undefined : jobs.peek(like), host))
  const [isTold, setTold] = useState(false)
  const [isStarting, setStarting] = useState(false)
  const [refusal, setRefusal] = useState<Refusal>()
  const element = useRef<HTMLFormElement>(null)
  const isOpen = useRef(true)
  useEffect(
    () => () => {
      isOpen.current = false
    },
    [],
  )
  // As they were when it was opened: what was chosen does not go away.
  const [{ builtIn, ofJobs }] = useState(() => programsOf(jobs.peekAll()))
  const { request, problems } = checkRun(form, [...builtIn, ...ofJobs])
  const change = (changed: Partial<RunForm>): void => {
    setForm({ ...form, ...changed })
    setRefusal(undefined)
  }
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setTold(true)
    if (isStarting) return
    if (request === undefined) return focusField(element.current, Object.keys(problems)[0])
    setStarting(true)
    setRefusal(undefined)
    try {
      started(await ask(request))
    } catch (error) {
      const refused = refusalOf(error)
      if (!isOpen.current) return sayRefusal('The job is not started', refused)
      setRefusal(refused)
      setStarting(false)
    }
  }
  const started = (reply: Reply<'run'>): void => {
    const { id, host: at, status } = reply.workload
    say(status === 'failed' ? `${id} has failed on ${at}` : `${id} is started on ${at}`)
    if (!isOpen.current) return
    if (reply.placement !== undefined) return explained(reply)
    closed()
    go({ page: 'job', job: id })
  }
  const field = <Field extends Extract<RunField, keyof RunForm>>(name: Field) => ({
    name,
    value: form[name],
    problem: isTold ? problems?.[name] : undefined,
    change: (value: string) => change({ [name]: value }),
  })
  return (
    <form ref={element} class="form" noValidate onSubmit={(event) => void submit(event)}>
      <div class="dialog-body">
        <div class="fields">
          <ChoiceField
            name="program"
            label="Program"
            value={form.program}
            choices={[...builtIn.map(choiceOf), [OTHER, 'another, by name or path…']]}
            more={{ heading: 'Of jobs', choices: ofJobs.map(choiceOf) }}
            isFirst
            change={(program) => change({ program })}
          />
          {form.program === OTHER && (
            <TextField
              {...field('other')}
              label="Name or path on the hosts"
              hint="A file of your own goes along with godwit run ./train.ts"
            />
          )}
          <ChoiceField
            name="host"
            label="Host"
            value={form.host}
            choices={[['', 'automatic'], ...hosts.all().map(hostChoice).sort(takingFirst)]}
            change={(name) => change({ host: name })}
          />
          {form.host === '' && (
            <CheckField name="explain" isChecked={form.explain} change={(explain) => change({ explain })}>
              Say of each host why it was chosen or not
            </CheckField>
          )}
          <TextField {...field('steps')} label="Steps" isNumber />
          <TextField {...field('id')} label="Name" placeholder="made of the program’s" />
          <LinesField
            {...field('parameters')}
            label="Parameters"
            placeholder="seed=7"
            hint="key=value, one a line; text that looks like a number in double quotes"
          />
        </div>
        <details class="advanced">
          <summary>Placement rules, restarts and checkpoints</summary>
          <RulesFields
            job={undefined}
            form={form.rules}
            problem={isTold ? problems?.requires : undefined}
            change={(rules) => change({ rules })}
          />
          <div class="fields">
            <ChoiceField
              name="restartPolicy"
              label="When its worker is lost"
              hint="From its last checkpoint, or from its beginning"
              value={form.restartPolicy}
              choices={[
                ['on-failure', 'it is started again'],
                ['never', 'it has failed'],
              ]}
              change={(restartPolicy) => change({ restartPolicy: restartPolicy as RunForm['restartPolicy'] })}
            />
            <TextField
              {...field('checkpointSeconds')}
              label="A checkpoint every"
              unit="s"
              placeholder="only when asked for"
              isNumber
            />
          </div>
        </details>
        <div role="alert">{refusal !== undefined && <ErrorText error={refusal} />}</div>
      </div>
      <div class="dialog-foot form-foot">
        <p role="status" class="form-said muted">
          {isStarting && 'A worker starts; the job’s page is shown when it trains.'}
        </p>
        <button type="button" onClick={closed}>
          {isStarting ? 'Close' : 'Cancel'}
        </button>
        <button type="submit" class="primary" aria-disabled={isStarting}>
          {isStarting ? 'Starting…' : 'Run'}
        </button>
      </div>
    </form>
  )
}

function choiceOf({ key, words }: { readonly key: string; readonly words: string }): Choice {
  return [key, words]
}

function hostChoice(host: HostView): Choice {
  const { name, faultDomain } = host
  return [name, `${name}, ${faultDomain}`, whyClosed(host)]
}

function takingFirst([a, , whyA]: Choice, [b, , whyB]: Choice): number {
  return Number(whyA !== undefined) - Number(whyB !== undefined) || compareNames(a, b)
}

const VERDICTS: Record<Verdict['verdict'], readonly [Tone, string]> = {
  taken: ['ok', 'chosen'],
  possible: ['idle', 'possible'],
  refused: ['bad', 'refused'],
}

interface ExplainedProps {
  readonly placed: Reply<'run'>
  closed(): void
}

function Explained({ placed: { workload, placement = [] }, closed }: ExplainedProps) {
  const button = useRef<HTMLButtonElement>(null)
  // What had the focus is gone.
  useEffect(() => button.current?.focus(), [])
  return (
    <>
      <div class="dialog-body">
        <div class="table-scroll">
          <table class="lines">
            <caption class="visually-hidden">Why each host was chosen or not</caption>
            <thead>
              <tr>
                <th scope="col">Host</th>
                <th scope="col">Verdict</th>
                <th scope="col" class="number" title="Of 100">
                  Score
                </th>
                <th scope="col">Why</th>
              </tr>
            </thead>
            <tbody>
              {placement.map(({ host, verdict, score, reason }) => (
                <tr key={host}>
                  <td>{host}</td>
                  <td>
                    <State tone={VERDICTS[verdict][0]} word={VERDICTS[verdict][1]} />
                  </td>
                  <td class="number">{formatNumber(score)}</td>
                  <td class="small">{reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </div>
      <div class="dialog-foot">
        <button
          ref={button}
          type="button"
          class="primary"
          onClick={() => {
            closed()
            go({ page: 'job', job: workload.id })
          }}
        >
          To {workload.id}
        </button>
      </div>
    </>
  )
}
