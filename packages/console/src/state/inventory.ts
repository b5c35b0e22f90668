/** What a person unfolded and searched for in the inventory, and the rows that come of it. */
import { computed, signal } from '@preact/signals'
import { queryOf } from './search.ts'
import { hosts, jobs } from './store.ts'
import { treeRows } from './tree.ts'

export const searchText = signal('')
export const folded = signal<ReadonlySet<string>>(new Set())
export const withOver = signal(false)
/** The row that the keyboard is at. */
export const atRow = signal<string>()

export const rows = computed(() =>
  treeRows(hosts.all(), jobs.all(), {
    folded: folded.value,
    query: queryOf(searchText.value),
    withOver: withOver.value,
  }),
)

export function fold(key: string, isFolded: boolean): void {
  const next = new Set(folded.peek())
  if (isFolded) next.add(key)
  else next.delete(key)
  folded.value = next
}
