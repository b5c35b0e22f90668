/** How a move is made: what most people choose, and, folded away, what few do. A field that makes no sense says so below it. */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import type { FormField, FormProblems, MigrateForm } from './migrate-form.ts'

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
      <div class="wizard-fields">
        {way(false, 'Compute and data', 'what the target lacks of program and data is brought')}
        {way(true, 'Compute only', 'the target has program and data already')}
      </div>
    </fieldset>
  )
}

export function MigrateOptions({ form, problems, setForm }: MigrateOptionsProps) {
  const shared = { form, problems, setForm }
  return (
    <fieldset>
      <legend>How</legend>
      <div class="wizard-fields">
        <Choice
          {...shared}
          field="priority"
          label="Priority"
          choices={[
            ['high', 'high: before others, with more of the line'],
            ['normal', 'normal'],
            ['low', 'low: after others, gently'],
          ]}
        />
        <Text {...shared} field="downtimeLimitMs" label="Downtime limit" unit="ms" />
        <Check {...shared} field="hold">
          Hold before the switchover, until somebody lets it go
        </Check>
      </div>
      <details class="advanced">
        <summary>Advanced</summary>
        <div class="wizard-fields">
          <Text {...shared} field="timeoutSeconds" label="Switch over within" unit="s" />
          <Choice
            {...shared}
            field="onTimeout"
            label="When it has not by then"
            choices={[
              ['cancel', 'cancel: the job stays'],
              ['force', 'force, whatever the downtime'],
            ]}
          />
          <Choice
            {...shared}
            field="onStall"
            label="When rounds no longer shrink"
            choices={[
              ['wait', 'wait for a quiet moment'],
              ['raiseLimit', 'allow more downtime'],
              ['throttle', 'slow the job down'],
              ['giveUp', 'give up'],
            ]}
          />
          <Text
            {...shared}
            field="bandwidth"
            label="Bandwidth"
            unit="bytes a second"
            placeholder="no limit"
          />
          <Text
            {...shared}
            field="streams"
            label="Streams"
            unit="connections"
            placeholder="as the link wants"
          />
          <Check {...shared} field="verify">
            Compare all memory at the switchover; the pause is longer by that
          </Check>
        </div>
      </details>
    </fieldset>
  )
}

type TextField = Extract<FormField, 'downtimeLimitMs' | 'timeoutSeconds' | 'bandwidth' | 'streams'>

interface TextProps extends MigrateOptionsProps {
  readonly field: TextField
  readonly label: string
  readonly unit: string
  readonly placeholder?: string
}

function Text({ form, problems, setForm, field, label, unit, placeholder }: TextProps) {
  const id = useId()
  const problem = problems?.[field]
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <span class="with-unit">
        <input
          id={id}
          type="text"
          name={field}
          inputMode={field === 'bandwidth' ? 'text' : 'decimal'}
          autoComplete="off"
          placeholder={placeholder}
          value={form[field]}
          aria-invalid={problem !== undefined}
          aria-describedby={`${id}-unit ${id}-problem`}
          onInput={({ currentTarget }) => setForm({ ...form, [field]: currentTarget.value })}
        />
        <span id={`${id}-unit`} class="muted">
          {unit}
        </span>
      </span>
      <p id={`${id}-problem`} class="bad small" aria-live="polite">
        {problem}
      </p>
    </div>
  )
}

type ChoiceField = Extract<FormField, 'priority' | 'onTimeout' | 'onStall'>

interface ChoiceProps extends MigrateOptionsProps {
  readonly field: ChoiceField
  readonly label: string
  readonly choices: readonly (readonly [value: string, words: string])[]
}

function Choice({ form, setForm, field, label, choices }: ChoiceProps) {
  const id = useId()
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        name={field}
        value={form[field]}
        onChange={({ currentTarget }) => setForm({ ...form, [field]: currentTarget.value })}
      >
        {choices.map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
    </div>
  )
}

interface CheckProps extends MigrateOptionsProps {
  readonly field: Extract<FormField, 'hold' | 'verify'>
  readonly children: ComponentChildren
}

function Check({ form, setForm, field, children }: CheckProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        name={field}
        checked={form[field]}
        onChange={({ currentTarget }) => setForm({ ...form, [field]: currentTarget.checked })}
      />
      <span>{children}</span>
    </label>
  )
}
