/** An error in full: its kind as people read it, and the sentence that says what to do. */
import type { ErrorReport } from '@godwit/protocol'
import { ERROR_KINDS } from '@godwit/protocol/light'
import { sentence } from '../state/sentence.ts'

export function ErrorText({ error }: { readonly error: ErrorReport }) {
  return (
    <div class="error-text" role="note">
      <strong>{ERROR_KINDS[error.kind] ?? error.kind}</strong>
      <p>{sentence(error.message)}</p>
    </div>
  )
}
