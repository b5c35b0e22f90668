/** What is asked for while a page shows it, and asked for anew when what it depends on has changed. */
import { useEffect, useState } from 'preact/hooks'
import { type Refusal, refusalOf } from '../api/ask.ts'

export type Fetched<Value> =
  | { readonly state: 'loading' }
  | { readonly state: 'here'; readonly value: Value }
  | { readonly state: 'refused'; readonly error: Refusal }

/** The value before stays until the next one is here. `when`: asked anew when one of these changes. */
export function useFetched<Value>(fetch: () => Promise<Value>, when: readonly unknown[]): Fetched<Value> {
  const [fetched, setFetched] = useState<Fetched<Value>>({ state: 'loading' })
  useEffect(() => {
    let isWanted = true
    fetch().then(
      (value) => {
        if (isWanted) setFetched({ state: 'here', value })
      },
      (thrown) => {
        const error = refusalOf(thrown)
        if (isWanted) setFetched((before) => (before.state === 'here' ? before : { state: 'refused', error }))
      },
    )
    return () => {
      isWanted = false
    }
  }, when)
  return fetched
}
