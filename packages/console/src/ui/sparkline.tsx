/** The last few minutes of a number, in the height of a line. */

interface SparklineProps {
  readonly values: readonly number[]
  /** What fills the height; the largest of them unless given. */
  readonly max?: number
  readonly label: string
}

const WIDTH = 120
const HEIGHT = 26

export function Sparkline({ values, max, label }: SparklineProps) {
  const top = Math.max(max ?? 0, ...(max === undefined ? values : []), Number.MIN_VALUE)
  const step = WIDTH / Math.max(1, values.length - 1)
  const points = values.map((value, index) => {
    const y = HEIGHT - 1 - (Math.min(value, top) / top) * (HEIGHT - 2)
    return `${(index * step).toFixed(1)},${y.toFixed(1)}`
  })
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {points.length > 1 && <polyline points={points.join(' ')} />}
    </svg>
  )
}
