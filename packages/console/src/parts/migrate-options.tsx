/** How a move is made: what most people choose, and, folded away, what few do. A field that makes no sense says so below it. */
import { CheckField, ChoiceField, TextField } from '../ui/fields.tsx'
import { type FormField, type FormProblems, type MigrateForm, STALL_WORDS } from './migrate-form.ts'

interface MigrateOptionsProps {
  readonly form: MigrateForm
  readonly problems: FormProblems | undefined
  setForm(form: MigrateForm): void
}

interface WhatMovesProps {
  /** Of jobs that were run with a bundle: of others there is nothing that could be brought. */
  readonly hasBundle: boolean
  readonly form: MigrateForm
  setForm(form: MigrateForm): void
}

export function WhatMoves({ hasBundle, form, setForm }: WhatMovesProps) {
  if (!hasBundle) return null
  const way = (computeOnly: boolean, label: string, what: string) => (
    <label class="check">
      <input
        type="radio"
        name="computeOnly"
        checked={form.computeOnly === computeOnly}
        onChange={() => setForm({ ...form, computeOnly })}
      />
      <span>
        {label} <span class="muted">{what}</span>
      </span>
    </label>
  )
  return (
    <fieldset>
      <legend>What moves</legend>
      <div class="fields">
        {way(false, 'Compute and data', 'what the target lacks of program and data is brought')}
        {way(true, 'Compute only', 'the target has program and data already')}
      </div>
    </fieldset>
  )
}

export function MigrateOptions({ form, problems, setForm }: MigrateOptionsProps) {
  const field = <Field extends Exclude<FormField, 'computeOnly' | 'hold' | 'verify'>>(name: Field) => ({
    name,
    value: form[name],
    problem: problems?.[name],
    change: (value: string) => setForm({ ...form, [name]: value }),
  })
  const check = (name: 'hold' | 'verify') => ({
    name,
    isChecked: form[name],
    change: (isChecked: boolean) => setForm({ ...form, [name]: isChecked }),
  })
  return (
    <fieldset>
      <legend>How</legend>
      <div class="fields">
        <ChoiceField
          {...field('priority')}
          label="Priority"
          choices={[
            ['high', 'high: before others, with more of the line'],
            ['normal', 'normal'],
            ['low', 'low: after others, gently'],
          ]}
        />
        <TextField {...field('downtimeLimitMs')} label="Downtime limit" unit="ms" isNumber />
        <CheckField {...check('hold')}>Hold before the switchover, until somebody lets it go</CheckField>
      </div>
      <details class="advanced">
        <summary>Advanced</summary>
        <div class="fields">
          <TextField {...field('timeoutSeconds')} label="Switch over within" unit="s" isNumber />
          <ChoiceField
            {...field('onTimeout')}
            label="When it has not by then"
            choices={[
              ['cancel', 'cancel: the job stays'],
              ['force', 'force, whatever the downtime'],
            ]}
          />
          <ChoiceField
            {...field('onStall')}
            label="When rounds no longer shrink"
            choices={Object.entries(STALL_WORDS)}
          />
          <TextField {...field('bandwidth')} label="Bandwidth" unit="bytes a second" placeholder="no limit" />
          <TextField
            {...field('streams')}
            label="Streams"
            unit="connections"
            placeholder="as the link wants"
            isNumber
          />
          <CheckField {...check('verify')}>
            Compare all memory at the switchover; the pause is longer by that
          </CheckField>
        </div>
      </details>
    </fieldset>
  )
}
