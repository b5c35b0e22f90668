/**
 * The inventory: zones, racks, hosts and jobs as a tree. The focus is on the tree, which says at which row the keyboard is, so that rows may come and go.
 *
 * A job is moved by dragging it onto a host, or with `m`; several are picked with Ctrl and a click, or with the space bar.
 */
import { mayAsk } from '@godwit/protocol/light'
import { session } from '../api/session.ts'
import { plural } from '../format/units.ts'
import { atRow, fold, rows, searchText, withOver } from '../state/inventory.ts'
import { go, place } from '../state/location.ts'
import { openMigrate } from '../state/overlays.ts'
import type { Place } from '../state/places.ts'
import { picked, pickOnly, pickToggle } from '../state/selection.ts'
import { hosts, jobs } from '../state/store.ts'
import type { TreeRow } from '../state/tree.ts'
import { treeMove } from '../state/tree-keys.ts'
import { Virtual } from '../ui/virtual.tsx'
import { isDrawerOpen } from './drawer.ts'
import { HostRow, JobRow, type RowProps, ZoneRow } from './inventory-rows.tsx'
import '../styles/inventory.css'

const ROW_HEIGHT = 30

export function Inventory() {
  const shown = rows.value
  const at = atRow.value ?? keyOf(place.value)
  const index = shown.findIndex(({ key }) => key === at)
  const active = index < 0 ? {} : { 'aria-activedescendant': idOf(at as string) }
  return (
    <>
      {isDrawerOpen.value && (
        <button
          type="button"
          class="scrim only-narrow"
          aria-label="Close the inventory"
          tabIndex={-1}
          onClick={() => {
            isDrawerOpen.value = false
          }}
        />
      )}
      <nav id="inventory" class={isDrawerOpen.value ? 'inventory open' : 'inventory'} aria-label="Inventory">
        <div class="inventory-head">
          <span class="muted">
            {plural(hosts.size, 'host')} · {plural(jobs.size, 'job')}
          </span>
          <label>
            <input
              type="checkbox"
              checked={withOver.value}
              onChange={({ currentTarget }) => {
                withOver.value = currentTarget.checked
              }}
            />
            Show ended
          </label>
        </div>
        {shown.length === 0 && <p class="empty">{nothing()}</p>}
        <Virtual
          items={shown}
          rowHeight={ROW_HEIGHT}
          shown={index}
          shownKey={at}
          row={(row) => <Row key={row.key} row={row} isAt={row.key === at} />}
          attributes={{
            class: 'tree',
            role: 'tree',
            tabIndex: 0,
            'aria-label': 'Hosts and jobs',
            'aria-multiselectable': true,
            onKeyDown: pressed,
            ...active,
          }}
        />
        <Picked />
      </nav>
    </>
  )
}

function nothing(): string {
  if (searchText.value.trim() !== '') return `Nothing is called “${searchText.value.trim()}”.`
  return 'No host has come yet: start one with godwit agent.'
}

function Picked() {
  const ids = [...picked.value]
  if (ids.length === 0 || !maySend()) return null
  return (
    <div class="picked">
      <span>{ids.length} picked</span>
      <button type="button" class="primary" onClick={() => openMigrate(ids)}>
        Migrate…
      </button>
      <button type="button" class="quiet" onClick={() => pickOnly([])}>
        Clear
      </button>
    </div>
  )
}

function Row({ row, isAt }: { readonly row: TreeRow; readonly isAt: boolean }) {
  const props: RowProps = {
    row,
    isAt,
    id: idOf(row.key),
    isHere: keyOf(place.value) === row.key,
    isPicked: row.kind === 'job' && picked.value.has(row.name),
    mayDrag: maySend(),
    clicked: (event) => clicked(row, event),
    toggled: () => fold(row.key, row.isOpen === true),
    dropped: (ids) => openMigrate(ids, row.name),
  }
  if (row.kind === 'host') return <HostRow {...props} />
  return row.kind === 'job' ? <JobRow {...props} /> : <ZoneRow {...props} />
}

function clicked(row: TreeRow, event: MouseEvent): void {
  // The row may scroll away, and the focus would go with it.
  if (event.currentTarget instanceof Element)
    event.currentTarget.closest<HTMLElement>('[role=tree]')?.focus({ preventScroll: true })
  atRow.value = row.key
  if (row.kind === 'job' && (event.ctrlKey || event.metaKey)) return pickToggle(row.name)
  pickOnly([])
  open(row)
}

function open(row: TreeRow): void {
  if (row.kind === 'job') go({ page: 'job', job: row.name })
  else if (row.kind === 'host') go({ page: 'host', host: row.name })
  else fold(row.key, row.isOpen === true)
}

function pressed(event: KeyboardEvent): void {
  const { key, ctrlKey, metaKey, altKey } = event
  if (ctrlKey || metaKey || altKey) return
  const shown = rows.peek()
  const at = atRow.peek() ?? keyOf(place.peek())
  if (key === 'm' && migrateAt(shown, at)) return event.preventDefault()
  const move = treeMove(shown, at, key)
  if (move === undefined) return
  event.preventDefault()
  event.stopPropagation()
  const row = shown.find((each) => each.key === move.key) as TreeRow
  if (move.kind === 'fold' || move.kind === 'unfold') fold(move.key, move.kind === 'fold')
  else if (move.kind === 'pick') pickToggle(row.name)
  else {
    atRow.value = move.key
    if (move.kind === 'open') open(row)
  }
}

/** Those that are picked, or the one where the keyboard is. */
function migrateAt(shown: readonly TreeRow[], at: string | undefined): boolean {
  const row = shown.find(({ key }) => key === at)
  const ids = picked.peek().size > 0 ? [...picked.peek()] : row?.kind === 'job' ? [row.name] : []
  if (ids.length === 0 || !maySend()) return false
  openMigrate(ids)
  return true
}

function maySend(): boolean {
  const role = session.value?.role
  return role !== undefined && mayAsk(role, 'migrate')
}

function keyOf(at: Place): string | undefined {
  if (at.page === 'host') return `host ${at.host}`
  return at.page === 'job' || at.page === 'move' ? `job ${at.job}` : undefined
}

/** Of an element: names have no characters that an id may not have but spaces and slashes. */
function idOf(key: string): string {
  return `row-${key.replace(/[ /]/g, '-')}`
}
