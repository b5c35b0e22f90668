/** What has happened to hosts, jobs and moves, the newest first. */
import type { Happening } from '@godwit/protocol'
import type { Tone } from '../state/jobs.ts'
import type { Place } from '../state/places.ts'
import { MOVE_WORDS } from '../state/tasks.ts'
import { ErrorText } from '../ui/error-text.tsx'
import { Link } from '../ui/link.tsx'
import { Empty } from '../ui/section.tsx'
import { When } from '../ui/when.tsx'

const WORDS = { host: 'Host', workload: 'Job', migration: 'Move' } as const

export function EventList({ events }: { readonly events: readonly Happening[] }) {
  if (events.length === 0) return <Empty>Nothing has happened since the coordinator was started.</Empty>
  return (
    <div class="table-scroll">
      <table class="lines">
        <caption class="visually-hidden">Events</caption>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">What</th>
            <th scope="col">Is now</th>
            <th scope="col">Where</th>
          </tr>
        </thead>
        <tbody>
          {events.map((event) => (
            <EventLine key={event.cursor} event={event} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function EventLine({ event }: { readonly event: Happening }) {
  const { atMs, about, id, workload, host, from, to, error } = event
  return (
    <>
      <tr>
        <td class="small">
          <When atMs={atMs} />
        </td>
        <td>
          {WORDS[about]} <Link to={placeOf(event)}>{about === 'migration' ? (workload ?? id) : id}</Link>
        </td>
        <td>{wordOf(event)}</td>
        <td>{from !== undefined && to !== undefined ? `${from} → ${to}` : about === 'host' ? '' : host}</td>
      </tr>
      {error !== undefined && (
        <tr class="why">
          <td colSpan={4}>
            <ErrorText error={error} />
          </td>
        </tr>
      )}
    </>
  )
}

function wordOf({ about, status }: Happening): string {
  if (status === 'gone') return 'forgotten'
  const move =
    about === 'migration' ? (MOVE_WORDS as Record<string, readonly [Tone, string]>)[status] : undefined
  return move?.[1] ?? status
}

function placeOf({ about, id, workload }: Happening): Place {
  if (about === 'host') return { page: 'host', host: id }
  if (about === 'workload') return { page: 'job', job: id }
  return workload === undefined ? { page: 'tasks' } : { page: 'move', job: workload, move: id }
}
