/** A move under way: how far it is, what is left, and what the pause would be if it came now, while steps go on. */
import type { MigrationView } from '@godwit/protocol'
import { useEffect, useState } from 'preact/hooks'
import {
  formatBytes,
  formatDuration,
  formatMs,
  formatPercent,
  formatRate,
  grouped,
  UNKNOWN,
} from '../format/units.ts'
import { PageMap } from '../parts/page-map.tsx'
import { waitText } from '../state/moves.ts'
import { feedPages, type PageFeed } from '../state/page-feed.ts'
import { moveState } from '../state/tasks.ts'
import { Figures } from '../ui/facts.tsx'
import { HostLink } from '../ui/link.tsx'
import { Bar } from '../ui/meter.tsx'
import { State } from '../ui/state.tsx'

export function Moving({ move }: { readonly move: MigrationView }) {
  const { from, to, progress, options, waitingFor, place, fetching } = move
  const share = progress?.percent === undefined ? undefined : progress.percent / 100
  const expected = progress?.expectedDowntimeMs
  return (
    <div class="moving">
      <p class="moving-way">
        <span>
          <HostLink name={from} /> <span aria-hidden="true">→</span>
          <span class="visually-hidden">to</span> <HostLink name={to} />
        </span>
        <State {...moveState(move)} />
      </p>
      <Bar label={`Progress of the move to ${to}`} share={share} tone="move" isProgress />
      {waitingFor !== undefined && <p class="muted">It waits for {waitText(waitingFor)}.</p>}
      {fetching !== undefined && (
        <p class="muted">
          {to} fetches program and data: {formatBytes(fetching.bytes)} of {formatBytes(fetching.ofBytes)}.
        </p>
      )}
      {place !== undefined && <p class="muted">Place {place} in the queue.</p>}
      <Figures
        figures={[
          ['Done', formatPercent(share)],
          ['Left to send', formatBytes(progress?.remainingBytes), 'Of this round, as far as is known'],
          ['Rate', formatRate(progress?.bytesPerSecond)],
          [
            'Expected downtime',
            <span class={expected !== undefined && expected > options.downtimeLimitMs ? 'warn' : ''}>
              {formatMs(expected)}
            </span>,
            `Allowed: ${formatMs(options.downtimeLimitMs)}`,
          ],
          ['Round', progress === undefined ? UNKNOWN : progress.round],
          ['Step', progress === undefined ? UNKNOWN : grouped(progress.step)],
          progress?.timeLeftMs !== undefined && ['Time left', formatDuration(progress.timeLeftMs)],
        ]}
      />
      {SENDING.has(move.status) && <MovedPages move={move} />}
    </div>
  )
}

/** Statuses in which pages are sent. */
const SENDING: ReadonlySet<string> = new Set<MigrationView['status']>([
  'active',
  'preSwitchover',
  'switchover',
])

function MovedPages({ move: { workload, id } }: { readonly move: MigrationView }) {
  const [feed, setFeed] = useState<PageFeed>()
  useEffect(() => {
    const begun = feedPages(workload, id)
    setFeed(begun)
    return begun.end
  }, [workload, id])
  const cells = feed?.cells.value
  return feed === undefined || cells === undefined ? null : <PageMap cells={cells} version={feed.version} />
}
