/** Moves jobs: where to is chosen, and what it would cost is seen before. */

import { useState } from 'preact/hooks'
import { ask } from '../api/ask.ts'
import { closeOverlay } from '../state/overlays.ts'
import { hosts, jobs } from '../state/store.ts'
import { compareNames } from '../state/tree.ts'
import { Dialog } from '../ui/dialog.tsx'
import { say, sayRefusal } from '../ui/notices.tsx'

export function MigrateDialog({
  jobs: ids,
  to,
}: {
  readonly jobs: readonly string[]
  readonly to: string | undefined
}) {
  const [target, setTarget] = useState(to ?? '')
  const there = hosts
    .all()
    .filter(({ name, state }) => state === 'connected' && ids.some((id) => jobs.peek(id)?.host !== name))
    .map(({ name }) => name)
    .sort(compareNames)
  const send = async (): Promise<void> => {
    closeOverlay()
    for (const workload of ids) {
      try {
        await ask({ op: 'migrate', workload, ...(target !== '' && { to: target }), options: {} })
        say(`${workload} moves`)
      } catch (error) {
        sayRefusal(`${workload} does not move`, error)
      }
    }
  }
  return (
    <Dialog
      title={ids.length === 1 ? `Migrate ${ids[0]}` : `Migrate ${ids.length} jobs`}
      closed={closeOverlay}
    >
      <div class="dialog-body">
        <label class="field">
          Target
          <select value={target} onChange={({ currentTarget }) => setTarget(currentTarget.value)}>
            <option value="">The host that suits best</option>
            {there.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="dialog-foot">
        <button type="button" onClick={closeOverlay}>
          Keep as it is
        </button>
        <button type="button" class="primary" onClick={() => void send()}>
          Migrate
        </button>
      </div>
    </Dialog>
  )
}
