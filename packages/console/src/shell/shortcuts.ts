/** Keys that do the same wherever one is, unless one writes something or a dialog is open. */
import { mayAsk, type RestOp } from '@godwit/protocol/light'
import { session } from '../api/session.ts'
import { searchText } from '../state/inventory.ts'
import { isOver } from '../state/jobs.ts'
import { place } from '../state/location.ts'
import { openMigrate, openRun, overlay } from '../state/overlays.ts'
import { picked } from '../state/selection.ts'
import { hosts, jobs } from '../state/store.ts'
import { isDrawerOpen } from './drawer.ts'

export function listenForShortcuts(): void {
  addEventListener('keydown', (event) => {
    const { target, key, ctrlKey, metaKey, altKey } = event
    if (event.defaultPrevented || ctrlKey || metaKey || altKey || overlay.peek() !== undefined) return
    const isWriting = target instanceof Element && target.matches('input, select, textarea')
    if (isWriting && key !== 'Escape') return
    if (shortcut(key)) event.preventDefault()
  })
}

function shortcut(key: string): boolean {
  switch (key) {
    case '/':
      document.getElementById('search')?.focus()
      return true
    case 't':
      isDrawerOpen.value = true
      document.querySelector<HTMLElement>('[role=tree]')?.focus()
      return true
    case 'Escape':
      searchText.value = ''
      isDrawerOpen.value = false
      return true
    case '?':
      overlay.value = { kind: 'keys' }
      return true
    case 'm':
      return migrate()
    case 'r':
      return run()
    default:
      return false
  }
}

function may(op: RestOp): boolean {
  const role = session.peek()?.role
  return role !== undefined && mayAsk(role, op)
}

function run(): boolean {
  if (!may('run')) return false
  const at = place.peek()
  openRun(at.page === 'host' && hosts.peek(at.host)?.state === 'connected' ? { host: at.host } : {})
  return true
}

function migrate(): boolean {
  if (!may('migrate')) return false
  const at = place.peek()
  const shown = at.page === 'job' || at.page === 'move' ? jobs.peek(at.job) : undefined
  const ids =
    picked.peek().size > 0 ? [...picked.peek()] : shown !== undefined && !isOver(shown) ? [shown.id] : []
  openMigrate(ids)
  return ids.length > 0
}
