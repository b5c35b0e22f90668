/** What is known of something, as names and values. What is undefined is left out. */
import type { ComponentChildren } from 'preact'

export type Fact =
  | readonly [name: string, value: ComponentChildren, title?: string | undefined]
  | undefined
  | false

export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts
        .filter((fact) => fact !== undefined && fact !== false)
        .map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

/** The few numbers that are looked at first. */
export function Figures({ figures }: { readonly figures: readonly Fact[] }) {
  return (
    <dl class="figures">
      {figures
        .filter((figure) => figure !== undefined && figure !== false)
        .map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}
