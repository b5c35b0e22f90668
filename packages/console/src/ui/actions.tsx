/** What may be done, as buttons; what can't be done now says why. */
import type { Offer } from '../state/actions.ts'

interface ActionsProps<Action> {
  readonly offers: readonly Offer<Action>[]
  chosen(action: Action): void
}

export function Actions<Action extends string>({ offers, chosen }: ActionsProps<Action>) {
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
