/** What is under way and lately was, a line each, with how far it is or what became of it. */
import { formatDuration, formatPercent } from '../format/units.ts'
import type { Task } from '../state/tasks.ts'
import { ErrorText } from '../ui/error-text.tsx'
import { Link } from '../ui/link.tsx'
import { Bar } from '../ui/meter.tsx'
import { Empty } from '../ui/section.tsx'
import { State } from '../ui/state.tsx'
import { When } from '../ui/when.tsx'

export function TaskList({ tasks }: { readonly tasks: readonly Task[] }) {
  if (tasks.length === 0) return <Empty>Nothing is under way, and nothing lately was.</Empty>
  return (
    <div class="table-scroll">
      <table class="lines">
        <caption class="visually-hidden">Tasks</caption>
        <thead>
          <tr>
            <th scope="col">Task</th>
            <th scope="col">Target</th>
            <th scope="col">State</th>
            <th scope="col">Progress</th>
            <th scope="col" class="minor">
              Started
            </th>
          </tr>
        </thead>
        <tbody>
          {tasks.map((task) => (
            <TaskLine key={task.id} task={task} />
          ))}
        </tbody>
      </table>
    </div>
  )
}

function TaskLine({ task }: { readonly task: Task }) {
  const { what, about, place, word, tone, isOver, share, timeLeftMs, startedAtMs, detail, error } = task
  return (
    <>
      <tr>
        <td>
          <Link to={place}>{what}</Link>
        </td>
        <td>{about}</td>
        <td>
          <State tone={tone} word={word} />
          {detail !== undefined && !isOver && <span class="muted small"> {detail}</span>}
        </td>
        <td class="progress-cell">
          {!isOver && (
            <>
              <Bar label={`Progress of ${what}`} share={share} tone="move" isProgress />
              <span class="small muted">
                {share !== undefined && formatPercent(share)}
                {timeLeftMs !== undefined && `, ${formatDuration(timeLeftMs)} left`}
              </span>
            </>
          )}
        </td>
        <td class="small minor">
          <When atMs={startedAtMs} />
        </td>
      </tr>
      {error !== undefined && (
        <tr class="why">
          <td colSpan={5}>
            <ErrorText error={error} />
          </td>
        </tr>
      )}
    </>
  )
}
