/** Where a job may be: labels that its host must have, jobs on whose host it must be, and on whose it must not. */
import { LIMITS } from '@godwit/protocol/light'
import { useId } from 'preact/hooks'
import { isOver } from '../state/jobs.ts'
import { hosts, jobs } from '../state/store.ts'
import { compareNames } from '../state/tree.ts'
import { TextField } from '../ui/fields.tsx'
import type { RulesForm } from './rules-form.ts'

interface RulesFieldsProps {
  /** Whose rules; undefined for one that there is not yet. */
  readonly job: string | undefined
  readonly form: RulesForm
  readonly problem: string | undefined
  readonly isFirst?: boolean
  change(form: RulesForm): void
}

export function RulesFields({ job, form, problem, isFirst, change }: RulesFieldsProps) {
  const others = jobs
    .all()
    .filter((each) => each.id !== job && !isOver(each))
    .map(({ id }) => id)
    .sort(compareNames)
  return (
    <div class="fields">
      <TextField
        name="requires"
        label="Its host needs labels"
        placeholder="none"
        hint={labelsText()}
        value={form.requires}
        problem={problem}
        isFirst={isFirst === true}
        change={(requires) => change({ ...form, requires })}
      />
      <JobPicker
        name="with"
        label="On one host with"
        picked={form.with}
        others={others}
        change={(picked) => change({ ...form, with: picked })}
      />
      <JobPicker
        name="apartFrom"
        label="Never on one host with"
        picked={form.apartFrom}
        others={others}
        change={(picked) => change({ ...form, apartFrom: picked })}
      />
    </div>
  )
}

/** How many labels of hosts are named. */
const NAMED = 6

function labelsText(): string {
  const there = new Set(
    hosts.all().flatMap(({ labels = {} }) => Object.entries(labels).map(([key, value]) => `${key}=${value}`)),
  )
  if (there.size === 0) return 'Hosts have none: godwit agent --label disk=fast'
  const named = [...there].sort(compareNames).slice(0, NAMED).join(', ')
  return `Hosts have ${named}${there.size > NAMED ? ', …' : ''}`
}

interface JobPickerProps {
  readonly name: string
  readonly label: string
  readonly picked: readonly string[]
  readonly others: readonly string[]
  change(picked: readonly string[]): void
}

function JobPicker({ name, label, picked, others, change }: JobPickerProps) {
  const id = useId()
  const left = others.filter((each) => !picked.includes(each))
  const isFull = picked.length >= LIMITS.maxRules
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {picked.length > 0 && (
        <ul class="chips" aria-label={label}>
          {picked.map((each) => (
            <li key={each} class="tag">
              {each}
              <button
                type="button"
                class="icon"
                aria-label={`Leave out ${each}`}
                onClick={() => change(picked.filter((job) => job !== each))}
              >
                ✕
              </button>
            </li>
          ))}
        </ul>
      )}
      <select
        id={id}
        name={name}
        value=""
        disabled={left.length === 0 || isFull}
        onChange={({ currentTarget }) => {
          if (currentTarget.value !== '') change([...picked, currentTarget.value])
          currentTarget.value = ''
        }}
      >
        <option value="">
          {left.length === 0 ? 'no other job' : picked.length === 0 ? 'any job…' : 'and…'}
        </option>
        {left.map((each) => (
          <option key={each} value={each}>
            {each}
          </option>
        ))}
      </select>
    </div>
  )
}
