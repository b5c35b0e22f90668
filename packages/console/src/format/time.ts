/** Times as they are where one sits; the same in UTC, for those who compare with logs. */

const SAME_DAY: Intl.DateTimeFormatOptions = {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
}
const OTHER_DAY: Intl.DateTimeFormatOptions = { ...SAME_DAY, month: 'short', day: 'numeric' }
const OTHER_YEAR: Intl.DateTimeFormatOptions = { ...OTHER_DAY, year: 'numeric' }

const FORMATS = new Map<Intl.DateTimeFormatOptions, Intl.DateTimeFormat>()

/** The time alone for today, with the day otherwise. `nowMs` says what today is. */
export function localTime(atMs: number, nowMs: number = Date.now()): string {
  const at = new Date(atMs)
  const now = new Date(nowMs)
  const isThisYear = at.getFullYear() === now.getFullYear()
  const isToday = isThisYear && at.getMonth() === now.getMonth() && at.getDate() === now.getDate()
  return formatOf(isToday ? SAME_DAY : isThisYear ? OTHER_DAY : OTHER_YEAR).format(at)
}

/** `2026-11-23 01:30:05 UTC` */
export function utcTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Made once: to make one takes longer than to use it a hundred times. */
function formatOf(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const known = FORMATS.get(options) ?? new Intl.DateTimeFormat(undefined, options)
  FORMATS.set(options, known)
  return known
}
