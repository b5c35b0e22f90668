/**
 * Colours of what people read: titles of tables, and statuses by what they mean. Nothing is said by a colour alone.
 *
 * They are for a terminal. A process allows them once, when it knows where its output goes; until then text stays as it is, and so it is in tests.
 */
import { styleText } from 'node:util'

type Format = Parameters<typeof styleText>[0]

const GOOD = ['running', 'connected', 'completed', 'finished', 'pass', 'evacuated', 'taken']
const BAD = ['failed', 'disconnected', 'blocker', 'stuck', 'diverged', 'refused']
const UNDER_WAY = [
  ...['starting', 'restarting', 'queued', 'setup', 'active', 'preSwitchover', 'switchover', 'cancelling'],
  ...['maintenance', 'evacuating', 'returning', 'warning', 'cancelled'],
]

/** What `styleText` makes. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant.
const CODE = /\u001b\[\d+m/g

let areAllowed = false

export function allowColours(allowed: boolean): void {
  areAllowed = allowed
}

/** As https://no-color.org and Node have it: `FORCE_COLOR` goes before `NO_COLOR`, and both before what the stream is. */
export function wantsColours(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none } = env
  if (forced !== undefined) return forced !== '0' && forced !== 'false'
  if (none !== undefined && none !== '') return false
  return stream.isTTY === true && env.TERM !== 'dumb'
}

export function title(text: string): string {
  return styled('bold', text)
}

/** Its first word decides: `maintenance: 2 of 5 moved`. */
export function status(text: string): string {
  const [word = ''] = text.split(/[\s:]/, 1)
  if (GOOD.includes(word)) return styled('green', text)
  if (BAD.includes(word)) return styled('red', text)
  return UNDER_WAY.includes(word) ? styled('yellow', text) : text
}

function styled(format: Format, text: string): string {
  return areAllowed && text !== '' ? styleText(format, text, { validateStream: false }) : text
}

export function visibleLength(text: string): number {
  return text.replace(CODE, '').length
}

/** The first so many characters that are seen. What begins in a colour ends in none. */
export function cut(text: string, columns: number): string {
  let left = columns
  const parts = text.split(new RegExp(`(${CODE.source})`))
  const kept = parts.map((part, index) => {
    if (index % 2 === 1) return part
    const seen = [...part].slice(0, left)
    left -= seen.length
    return seen.join('')
  })
  return kept.join('')
}
