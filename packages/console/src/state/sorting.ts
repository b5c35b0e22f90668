/** Rows of a table in the order that a person chose by a column's head. */
import { compareNames } from './tree.ts'

export type SortKey = string | number | undefined

export interface Sorting {
  readonly column: string
  readonly isDown: boolean
}

/** Stable; what has no key comes last, whichever way. */
export function sorted<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => SortKey,
  isDown: boolean,
): Item[] {
  return [...items].sort((a, b) => {
    const [first, second] = [keyOf(a), keyOf(b)]
    if (first === undefined || second === undefined)
      return Number(first === undefined) - Number(second === undefined)
    const order =
      typeof first === 'number' && typeof second === 'number'
        ? first - second
        : compareNames(String(first), String(second))
    return isDown ? -order : order
  })
}

/** The column again turns it round; another one begins with its own way. */
export function resorted({ column, isDown }: Sorting, chosen: string, beginsDown: boolean): Sorting {
  return chosen === column ? { column, isDown: !isDown } : { column: chosen, isDown: beginsDown }
}
