/** Plain tables for a terminal: columns as wide as their widest cell, two spaces between, no frames to paste away. */

export interface Column {
  readonly title: string
  /** Numbers are read from their right end. */
  readonly align?: 'left' | 'right'
}

/** Lines without trailing spaces; the first is the header. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const cells = [columns.map((column) => column.title), ...rows]
  const widths = columns.map((_, index) => Math.max(...cells.map((row) => (row[index] ?? '').length)))
  return cells.map((row) =>
    columns
      .map(({ align }, index) => {
        const cell = row[index] ?? ''
        const width = widths[index] ?? 0
        return align === 'right' ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
}
