/** What a job's program prints, live: text and nothing else, whatever it printed. */
import type { LogLine } from '@godwit/protocol'
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { subscribe } from '../api/connection.ts'
import { localTime, utcTime } from '../format/time.ts'
import { plainText, withLines } from '../state/log-lines.ts'
import { Empty, Section } from '../ui/section.tsx'

const TAIL = 300
/** Pixels from the end within which one is at the end. */
const AT_END = 24

export function Logs({ job }: { readonly job: string }) {
  const lines = useSignal<readonly LogLine[]>([])
  const refusal = useSignal<string | undefined>(undefined)
  useEffect(
    () =>
      subscribe({
        begin: () => {
          const last = lines.peek().at(-1)
          const from = last === undefined ? { tail: TAIL } : { fromLine: last.line + 1 }
          return { op: 'followLogs', workload: job, ...from }
        },
        end: () => ({ op: 'unfollow', workload: job }),
        heard: (message) => {
          if (message.type !== 'event' || message.workload !== job || message.event.kind !== 'logs') return
          lines.value = withLines(lines.peek(), message.event.lines)
        },
        refused: ({ message }) => {
          refusal.value = message
        },
      }),
    [job, lines, refusal],
  )
  const shown = lines.value
  return (
    <Section title="Logs">
      {shown.length === 0 ? (
        <Empty>{refusal.value ?? 'Its program has printed nothing.'}</Empty>
      ) : (
        <LogText job={job} lines={shown} />
      )}
    </Section>
  )
}

/** Stays at the end while one is there. */
function LogText({ job, lines }: { readonly job: string; readonly lines: readonly LogLine[] }) {
  const element = useRef<HTMLOListElement>(null)
  const isAtEnd = useRef(true)
  useEffect(() => {
    const { current } = element
    if (current !== null && isAtEnd.current) current.scrollTop = current.scrollHeight
  }, [lines])
  return (
    <ol
      ref={element}
      class="logs mono"
      aria-label={`Logs of ${job}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled by keys
      tabIndex={0}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < AT_END
      }}
    >
      {lines.map(({ line, host, atMs, text }) => (
        <li key={line}>
          <span class="muted" title={`${utcTime(atMs)}, line ${line}`}>
            {localTime(atMs)} {host}
          </span>{' '}
          {plainText(text)}
        </li>
      ))}
    </ol>
  )
}
