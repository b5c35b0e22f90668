/** Fields of a form, each with its label; one that makes no sense says so below it, and to screen readers. */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'
import '../styles/form.css'

interface FieldProps {
  readonly name: string
  readonly label: string
  /** Why what is there makes no sense, and what would. */
  readonly problem?: string | undefined
  /** Said of it all the time. */
  readonly hint?: ComponentChildren
  readonly value: string
  change(value: string): void
}

interface TextFieldProps extends FieldProps {
  readonly unit?: string
  readonly placeholder?: string
  readonly isNumber?: boolean
  readonly isFirst?: boolean
}

export function TextField({ unit, placeholder, isNumber, isFirst, ...field }: TextFieldProps) {
  const id = useId()
  return (
    <Around id={id} {...field}>
      <span class="with-unit">
        <input
          type="text"
          {...attributesOf(id, field)}
          inputMode={isNumber === true ? 'decimal' : 'text'}
          placeholder={placeholder}
          // biome-ignore lint/a11y/noAutofocus: where one begins in a dialog that was just opened
          autoFocus={isFirst}
          onInput={({ currentTarget }) => field.change(currentTarget.value)}
        />
        {unit !== undefined && (
          <span id={`${id}-unit`} class="muted">
            {unit}
          </span>
        )}
      </span>
    </Around>
  )
}

export function LinesField({ placeholder, ...field }: FieldProps & { readonly placeholder?: string }) {
  const id = useId()
  return (
    <Around id={id} {...field} isWide>
      <textarea
        {...attributesOf(id, field)}
        rows={Math.min(8, Math.max(3, field.value.split('\n').length))}
        placeholder={placeholder}
        onInput={({ currentTarget }) => field.change(currentTarget.value)}
      />
    </Around>
  )
}

/** `why`: it can't be chosen. */
export type Choice = readonly [value: string, words: string, why?: string | undefined]

interface ChoiceFieldProps extends FieldProps {
  readonly choices: readonly Choice[]
  /** Under a heading of their own. */
  readonly more?: { readonly heading: string; readonly choices: readonly Choice[] } | undefined
  readonly isFirst?: boolean
}

export function ChoiceField({ choices, more, isFirst, ...field }: ChoiceFieldProps) {
  const id = useId()
  const { value: _, ...attributes } = attributesOf(id, field)
  const option = ([value, words, why]: Choice) => (
    <option key={value} value={value} selected={value === field.value} disabled={why !== undefined}>
      {why === undefined ? words : `${words}: ${why}`}
    </option>
  )
  return (
    <Around id={id} {...field}>
      <select
        {...attributes}
        // biome-ignore lint/a11y/noAutofocus: where one begins in a dialog that was just opened
        autoFocus={isFirst}
        onChange={({ currentTarget }) => field.change(currentTarget.value)}
      >
        {choices.map(option)}
        {more !== undefined && more.choices.length > 0 && (
          <optgroup label={more.heading}>{more.choices.map(option)}</optgroup>
        )}
      </select>
    </Around>
  )
}

interface CheckFieldProps {
  readonly name: string
  readonly isChecked: boolean
  readonly children: ComponentChildren
  change(isChecked: boolean): void
}

export function CheckField({ name, isChecked, children, change }: CheckFieldProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        name={name}
        checked={isChecked}
        onChange={({ currentTarget }) => change(currentTarget.checked)}
      />
      <span>{children}</span>
    </label>
  )
}

/** The field of this name gets the focus; what it is folded into is opened. */
export function focusField(form: HTMLElement | null, name: string | undefined): void {
  const field = form?.querySelector<HTMLElement>(`[name="${name}"]`)
  field?.closest('details')?.setAttribute('open', '')
  field?.focus()
}

type AroundProps = Pick<FieldProps, 'label' | 'hint' | 'problem'> & {
  readonly id: string
  readonly isWide?: boolean
  readonly children: ComponentChildren
}

function Around({ id, label, hint, problem, isWide, children }: AroundProps) {
  return (
    <div class={isWide === true ? 'field wide' : 'field'}>
      <label for={id}>{label}</label>
      {children}
      {hint !== undefined && (
        <p id={`${id}-hint`} class="muted small">
          {hint}
        </p>
      )}
      <p id={`${id}-problem`} class="bad small" aria-live="polite">
        {problem}
      </p>
    </div>
  )
}

function attributesOf(id: string, { name, value, problem }: FieldProps) {
  return {
    id,
    name,
    value,
    autoComplete: 'off',
    spellcheck: false,
    'aria-invalid': problem !== undefined,
    'aria-describedby': `${id}-unit ${id}-hint ${id}-problem`,
  } as const
}
