/** A time as it is where one sits, with UTC on hover. */
import { localTime, utcTime } from '../format/time.ts'
import { UNKNOWN } from '../format/units.ts'

export function When({ atMs }: { readonly atMs: number | undefined }) {
  if (atMs === undefined) return <span>{UNKNOWN}</span>
  return (
    <time dateTime={new Date(atMs).toISOString()} title={utcTime(atMs)}>
      {localTime(atMs)}
    </time>
  )
}
