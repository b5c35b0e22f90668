/** What may be done, as buttons; what can't be done now says why. */
import { session } from '../api/session.ts'
import type { Offer } from '../state/actions.ts'

interface ActionsProps<Action> {
  readonly offers: readonly Offer<Action>[]
  chosen(action: Action): void
}

export function Actions<Action extends string>({ offers, chosen }: ActionsProps<Action>) {
  const role = session.value?.role
  if (role === 'viewer')
    return <p class="muted small">Your token’s role is viewer: it may look, and change nothing.</p>
  if (offers.length === 0) return null
  return (
    <div class="actions" role="toolbar" aria-label="Actions">
      {offers.map(({ action, label, why, isLoss }, index) => (
        <button
          key={action}
          type="button"
          class={isLoss === true ? 'danger-quiet' : index === 0 ? 'primary' : ''}
          aria-disabled={why !== undefined}
          title={why}
          onClick={() => {
            if (why === undefined) chosen(action)
          }}
        >
          {label}
        </button>
      ))}
    </div>
  )
}
