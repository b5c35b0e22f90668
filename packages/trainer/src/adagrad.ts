/**
 * Adagrad for rows of a large table, of which a step touches few. Only those rows are read and written: the pages of
 * all others stay clean, which is what makes a sparse job cheap to move at any instant.
 *
 * One accumulator a row instead of one an element (the row-wise Adagrad of Facebook's DLRM and FBGEMM): a row's rate
 * falls with the gradients it has seen, so that frequent words settle while rare ones still learn, at the price of a
 * handful of pages for the whole table.
 */

/** `values` is rows x width, row-major; `sums` one float a row, both in paged memory. */
export interface RowTable {
  readonly width: number
  readonly values: Float32Array
  readonly sums: Float32Array
}

/** Keeps the first update of a row finite. */
const EPSILON = 1e-8

/**
 * Row `rows[i]` moves against gradient row i (`gradients` is rows.length x width). A row that comes twice is updated
 * twice, in order. A gradient row of zeros writes nothing.
 */
export function adagradRows(
  { width, values, sums }: RowTable,
  rows: Int32Array,
  gradients: Float32Array,
  learningRate: number,
): void {
  if (gradients.length !== rows.length * width) {
    throw new RangeError(`${gradients.length} gradient elements for ${rows.length} rows of ${width}`)
  }
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number
    if (!(row >= 0 && row < sums.length)) throw new RangeError(`No row ${row} in a table of ${sums.length}`)
    const from = i * width
    let squares = 0
    for (let k = 0; k < width; k++)
      squares += (gradients[from + k] as number) * (gradients[from + k] as number)
    if (squares === 0) continue
    const sum = (sums[row] as number) + squares / width
    sums[row] = sum
    const rate = learningRate / (Math.sqrt(sum) + EPSILON)
    const to = row * width
    for (let k = 0; k < width; k++) {
      values[to + k] = (values[to + k] as number) - rate * (gradients[from + k] as number)
    }
  }
}

/** Copies `rows` of the table out, rows.length x width. */
export function gatherRows({ width, values }: RowTable, rows: Int32Array): Float32Array {
  const out = new Float32Array(rows.length * width)
  for (let i = 0; i < rows.length; i++) {
    const from = (rows[i] as number) * width
    out.set(values.subarray(from, from + width), i * width)
  }
  return out
}
