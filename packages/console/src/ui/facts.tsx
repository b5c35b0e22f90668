/** What is known of something, as names and values. What is undefined is left out. */
import type { ComponentChildren } from 'preact'

export type Fact =
  | readonly [name: string, value: ComponentChildren, title?: string | undefined]
  | undefined
  | false

export function Facts({ facts }: { readonly facts: readonly Fact[] }) {
  return <Pairs kind="facts" pairs={facts} />
}

/** The few numbers that are looked at first. */
export function Figures({ figures }: { readonly figures: readonly Fact[] }) {
  return <Pairs kind="figures" pairs={figures} />
}

function Pairs({ kind, pairs }: { readonly kind: string; readonly pairs: readonly Fact[] }) {
  return (
    <dl class={kind}>
      {pairs
        .filter((pair) => pair !== undefined && pair !== false)
        .map(([name, value, title]) => (
          <div key={name} title={title}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  )
}

/** Labels, each as it is written: `disk=fast`. */
export function Tags({ labels }: { readonly labels: Readonly<Record<string, string>> }) {
  return (
    <span class="tags">
      {Object.entries(labels).map(([key, value]) => (
        <code key={key} class="tag">
          {key}={value}
        </code>
      ))}
    </span>
  )
}
