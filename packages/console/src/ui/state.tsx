/** How something is doing: a word with a mark of its own shape, so that it does not rest on colour alone. */
import type { Tone } from '../state/jobs.ts'
import '../styles/state.css'

export function State({ tone, word }: { readonly tone: Tone; readonly word: string }) {
  return (
    <span class={`state ${tone}`}>
      <Mark tone={tone} />
      {word}
    </span>
  )
}

/** For where the word stands elsewhere. */
export function Mark({ tone }: { readonly tone: Tone }) {
  return <span class={`mark ${tone}`} aria-hidden="true" />
}
