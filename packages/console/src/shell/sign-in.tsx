/** Where a secured cluster is entered: by a token, which goes into no address. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { connection, signIn } from '../api/connection.ts'
import { sentence } from '../state/sentence.ts'

export function SignIn() {
  const [token, setToken] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const [problem, setProblem] = useState<string>()
  const state = connection.value
  const reason = problem ?? (state.phase === 'signedOut' ? state.reason : undefined)
  const submit = (event: Event): void => {
    event.preventDefault()
    const wrong = problemOf(token.trim())
    setProblem(wrong)
    if (wrong === undefined) signIn(token.trim())
  }
  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit}>
        <img src="/godwit.svg" alt="" width={40} height={40} />
        <h1>Sign in to Godwit</h1>
        <p class="muted">
          An administrator makes a token for you: <code>godwit token create --role operator</code>
        </p>
        <label>
          API token
          <input
            ref={field}
            type="password"
            name="token"
            autocomplete="off"
            spellcheck={false}
            required
            aria-invalid={reason !== undefined}
            aria-describedby="sign-in-problem"
            value={token}
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <p id="sign-in-problem" class="bad" role="alert">
          {reason === undefined ? '' : sentence(reason)}
        </p>
        <button type="submit" class="primary">
          Sign in
        </button>
        <p class="muted small">The token stays in this tab, and is forgotten when it is closed.</p>
      </form>
    </main>
  )
}

/** What can be said of it without asking. */
function problemOf(token: string): string | undefined {
  if (token.startsWith('gwj1.'))
    return 'This is a token for hosts to join by: people need an API token (gwa1…).'
  if (!token.startsWith('gwa1.')) return 'This is no API token: one begins with gwa1. Copy all of it.'
  return undefined
}
