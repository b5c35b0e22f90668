/**
 * What a key does in the inventory, as the tree pattern of WAI-ARIA's authoring practices has it. A pure function of the rows and of where one is.
 */
import type { TreeRow } from './tree.ts'

export type TreeMove =
  | { readonly kind: 'to'; readonly key: string }
  | { readonly kind: 'fold' | 'unfold' | 'open' | 'pick'; readonly key: string }

export function treeMove(
  rows: readonly TreeRow[],
  at: string | undefined,
  pressed: string,
): TreeMove | undefined {
  if (rows.length === 0) return undefined
  const found = rows.findIndex(({ key }) => key === at)
  const index = Math.max(0, found)
  const row = rows[index] as TreeRow
  const to = (wanted: number): TreeMove | undefined => {
    const there = rows[Math.min(rows.length - 1, Math.max(0, wanted))] as TreeRow
    return { kind: 'to', key: there.key }
  }
  switch (pressed) {
    case 'ArrowDown':
      return to(found < 0 ? 0 : index + 1)
    case 'ArrowUp':
      return to(index - 1)
    case 'Home':
      return to(0)
    case 'End':
      return to(rows.length - 1)
    case 'ArrowRight':
      if (row.isOpen === false) return { kind: 'unfold', key: row.key }
      return row.isOpen === true ? to(index + 1) : undefined
    case 'ArrowLeft':
      if (row.isOpen === true) return { kind: 'fold', key: row.key }
      return row.parent === undefined ? undefined : { kind: 'to', key: row.parent }
    case 'Enter':
      return { kind: 'open', key: row.key }
    case ' ':
      return row.kind === 'job' ? { kind: 'pick', key: row.key } : { kind: 'open', key: row.key }
    default:
      return pressed.length === 1 ? typed(rows, index, pressed.toLowerCase()) : undefined
  }
}

/** The next row whose name begins so. */
function typed(rows: readonly TreeRow[], index: number, letter: string): TreeMove | undefined {
  const behind = [...rows.slice(index + 1), ...rows.slice(0, index + 1)]
  const found = behind.find(({ name }) => name.toLowerCase().startsWith(letter))
  return found === undefined ? undefined : { kind: 'to', key: found.key }
}
