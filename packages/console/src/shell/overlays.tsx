/** The dialog that is open, if one is. */
import { useState } from 'preact/hooks'
import { MigrateWizard } from '../parts/migrate-wizard.tsx'
import { RulesDialog } from '../parts/rules-dialog.tsx'
import { RunDialog } from '../parts/run-dialog.tsx'
import { type Confirmation, closeOverlay, overlay } from '../state/overlays.ts'
import { Dialog } from '../ui/dialog.tsx'
import { MaintenanceDialog } from './maintenance-dialog.tsx'

export function Overlays() {
  const open = overlay.value
  switch (open?.kind) {
    case undefined:
      return null
    case 'confirm':
      return <ConfirmDialog {...open} />
    case 'migrate':
      return <MigrateWizard jobs={open.jobs} to={open.to} closed={closeOverlay} />
    case 'run':
      return <RunDialog host={open.host} like={open.like} closed={closeOverlay} />
    case 'rules':
      return <RulesDialog job={open.job} closed={closeOverlay} />
    case 'enterMaintenance':
      return <MaintenanceDialog host={open.host} />
    case 'keys':
      return <KeysDialog />
  }
}

function ConfirmDialog({ title, text, action, isLoss, choice, run }: Confirmation) {
  const [isChosen, setIsChosen] = useState(false)
  return (
    <Dialog title={title} closed={closeOverlay}>
      <div class="dialog-body">
        {text.map((line) => (
          <p key={line}>{line}</p>
        ))}
        {choice !== undefined && (
          <label class="check">
            <input
              type="checkbox"
              checked={isChosen}
              onChange={({ currentTarget }) => setIsChosen(currentTarget.checked)}
            />
            {choice}
          </label>
        )}
      </div>
      <div class="dialog-foot">
        <button type="button" onClick={closeOverlay}>
          Keep as it is
        </button>
        <button
          type="button"
          class={isLoss === true ? 'danger' : 'primary'}
          onClick={() => {
            closeOverlay()
            run(isChosen)
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  )
}

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'Search'],
  ['t', 'To the inventory'],
  ['↑ ↓ ← →', 'Walk in the inventory, fold and unfold'],
  ['Enter', 'Open what is there'],
  ['Space', 'Pick a job, with others'],
  ['m', 'Migrate the job that is shown, or those that are picked'],
  ['r', 'Run a job, on the host that is shown if one is'],
  ['Esc', 'Close a dialog, clear the search'],
  ['?', 'This list'],
]

function KeysDialog() {
  return (
    <Dialog title="Keyboard shortcuts" closed={closeOverlay}>
      <dl class="keys dialog-body">
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
