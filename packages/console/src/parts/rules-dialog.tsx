/** Changes where a job may be while it runs. Nothing is moved by it; what its present host breaks is said on its page. */
import { useRef, useState } from 'preact/hooks'
import { ask, type Refusal, refusalOf } from '../api/ask.ts'
import { jobs } from '../state/store.ts'
import { Dialog } from '../ui/dialog.tsx'
import { ErrorText } from '../ui/error-text.tsx'
import { focusField } from '../ui/fields.tsx'
import { say } from '../ui/notices.tsx'
import { RulesFields } from './rules-fields.tsx'
import { checkRules, rulesFormOf } from './rules-form.ts'

interface RulesDialogProps {
  readonly job: string
  closed(): void
}

export function RulesDialog({ job, closed }: RulesDialogProps) {
  const [form, setForm] = useState(() => rulesFormOf(jobs.peek(job)?.rules))
  const [isTold, setTold] = useState(false)
  const [refusal, setRefusal] = useState<Refusal>()
  const element = useRef<HTMLFormElement>(null)
  const { rules, problem } = checkRules(form)
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault()
    setTold(true)
    if (rules === undefined) return focusField(element.current, 'requires')
    try {
      await ask({ op: 'setRules', workload: job, rules })
      closed()
      say(`The placement rules of ${job} are changed`)
    } catch (error) {
      setRefusal(refusalOf(error))
    }
  }
  return (
    <Dialog title={`Placement rules of ${job}`} closed={closed}>
      <form ref={element} class="form" noValidate onSubmit={(event) => void submit(event)}>
        <div class="dialog-body">
          <p class="muted">The job stays where it is; its next move keeps to them, a maintenance’s too.</p>
          <RulesFields
            job={job}
            form={form}
            problem={isTold ? problem : undefined}
            isFirst
            change={(changed) => {
              setForm(changed)
              setRefusal(undefined)
            }}
          />
          <div role="alert">{refusal !== undefined && <ErrorText error={refusal} />}</div>
        </div>
        <div class="dialog-foot">
          <button type="button" onClick={closed}>
            Keep as they are
          </button>
          <button type="submit" class="primary">
            Change rules
          </button>
        </div>
      </form>
    </Dialog>
  )
}
