/**
 * A table of hosts or jobs: sorted by the head that is chosen, and no longer than asked for. It is put in order once a second; each cell follows its
 * own number.
 */
import { Component, type ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { resorted, type Sorting, type SortKey, sorted } from '../state/sorting.ts'
import { Empty } from './section.tsx'

export interface Column<Item> {
  readonly name: string
  readonly isNumber?: boolean
  /** Left out where there is little room. */
  readonly isMinor?: boolean
  keyOf(item: Item): SortKey
  /** Follows what it shows: it is not asked again for an item that changed. */
  cell(item: Item): ComponentChildren
}

interface DataTableProps<Item> {
  readonly caption: string
  readonly columns: readonly Column<Item>[]
  readonly items: readonly Item[]
  readonly idOf: (item: Item) => string
  readonly first: Sorting
  readonly nothing: string
}

const STEP = 50

export function DataTable<Item>({ caption, columns, items, idOf, first, nothing }: DataTableProps<Item>) {
  const [sorting, setSorting] = useState(first)
  const [length, setLength] = useState(STEP)
  if (items.length === 0) return <Empty>{nothing}</Empty>
  const by = columns.find(({ name }) => name === sorting.column) ?? columns[0]
  const ordered = by === undefined ? items : sorted(items, by.keyOf, sorting.isDown)
  return (
    <>
      <div class="table-scroll">
        <table class="data">
          <caption class="visually-hidden">{caption}</caption>
          <thead>
            <tr>
              {columns.map(({ name, isNumber, isMinor }) => {
                const isBy = name === sorting.column
                return (
                  <th
                    key={name}
                    scope="col"
                    class={classOf(isNumber, isMinor)}
                    aria-sort={isBy ? (sorting.isDown ? 'descending' : 'ascending') : 'none'}
                  >
                    <button
                      type="button"
                      onClick={() => setSorting(resorted(sorting, name, isNumber === true))}
                    >
                      {name}
                      <span aria-hidden="true">{isBy ? (sorting.isDown ? ' ↓' : ' ↑') : ''}</span>
                    </button>
                  </th>
                )
              })}
            </tr>
          </thead>
          <tbody>
            {ordered.slice(0, length).map((item) => (
              <Row key={idOf(item)} id={idOf(item)} columns={columns} item={item} />
            ))}
          </tbody>
        </table>
      </div>
      {length < ordered.length && (
        <button type="button" class="quiet more" onClick={() => setLength(length + 2 * STEP)}>
          Show more of {ordered.length}
        </button>
      )}
    </>
  )
}

interface RowProps<Item> {
  readonly id: string
  readonly columns: readonly Column<Item>[]
  readonly item: Item
}

/** Drawn once: its cells follow what they show by themselves. */
class Row<Item> extends Component<RowProps<Item>> {
  override shouldComponentUpdate({ id, columns }: RowProps<Item>): boolean {
    return id !== this.props.id || columns !== this.props.columns
  }

  override render({ columns, item }: RowProps<Item>) {
    return (
      <tr>
        {columns.map(({ name, isNumber, isMinor, cell }) => (
          <td key={name} class={classOf(isNumber, isMinor)}>
            {cell(item)}
          </td>
        ))}
      </tr>
    )
  }
}

function classOf(isNumber: boolean | undefined, isMinor: boolean | undefined): string {
  return `${isNumber === true ? 'number' : ''} ${isMinor === true ? 'minor' : ''}`.trim()
}
