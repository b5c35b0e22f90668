/** Plain tables for a terminal: columns as wide as their widest cell, two spaces between, no frames to paste away. */
import { title, visibleLength } from './colour.ts'

export interface Column {
  readonly title: string
  /** Numbers are read from their right end. */
  readonly align?: 'left' | 'right'
  /** How a cell is shown: as long as it is. */
  readonly style?: (cell: string) => string
}

/** Lines without trailing spaces; the first is the header. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const styled = rows.map((row) => row.map((cell, index) => columns[index]?.style?.(cell) ?? cell))
  const cells = [columns.map((column) => title(column.title)), ...styled]
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => visibleLength(row[index] ?? ''))))
  return cells.map((row) =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? ''
        const padding = ' '.repeat((widths[index] ?? 0) - visibleLength(cell))
        return align === 'right' ? padding + cell : cell + padding
      })
      .join('  ')
      .trimEnd(),
  )
}
