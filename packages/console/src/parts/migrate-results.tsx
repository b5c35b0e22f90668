/** What came of what was asked for, job by job: a move that can be watched, or why there is none. */
import { useEffect, useRef } from 'preact/hooks'
import { ask } from '../api/ask.ts'
import { plural } from '../format/units.ts'
import { place } from '../state/location.ts'
import { Link } from '../ui/link.tsx'
import { State } from '../ui/state.tsx'
import type { AskedOptions } from './migrate-form.ts'

export type Result =
  | { readonly job: string; readonly state: 'asking' }
  | { readonly job: string; readonly state: 'moves'; readonly move: string; readonly to: string }
  | { readonly job: string; readonly state: 'refused'; readonly why: string }

/** Asks for one move. */
export async function resultOf(job: string, to: string | undefined, options: AskedOptions): Promise<Result> {
  try {
    const { migration } = await ask({
      op: 'migrate',
      workload: job,
      ...(to !== undefined && { to }),
      options,
    })
    return { job, state: 'moves', move: migration.id, to: migration.to }
  } catch (error) {
    return { job, state: 'refused', why: (error as Error).message }
  }
}

interface MigrateResultsProps {
  readonly results: readonly Result[]
  closed(): void
  /** To change something for those that were refused. */
  again(refused: readonly string[]): void
}

export function MigrateResults({ results, closed, again }: MigrateResultsProps) {
  const heading = useRef<HTMLParagraphElement>(null)
  // What had the focus is gone.
  useEffect(() => heading.current?.focus(), [])
  // A move is watched on its page.
  useEffect(() => {
    const before = place.peek()
    return place.subscribe((now) => {
      if (now !== before) closed()
    })
  }, [])
  const moving = results.filter(({ state }) => state === 'moves').length
  const refused = results.flatMap(({ job, state }) => (state === 'refused' ? [job] : []))
  const isAsking = results.some(({ state }) => state === 'asking')
  const word = refused.length === 0 ? '' : `, ${refused.length} refused`
  return (
    <>
      <div class="dialog-body">
        <p ref={heading} tabIndex={-1} role="status">
          {isAsking ? 'Asking…' : `${plural(moving, 'job')} on the way${word}.`}
        </p>
        <ul class="checks">
          {results.map((result) => (
            <li key={result.job}>
              <ResultLine result={result} />
            </li>
          ))}
        </ul>
      </div>
      <div class="dialog-foot">
        {refused.length > 0 && !isAsking && (
          <button type="button" onClick={() => again(refused)}>
            Change and ask again
          </button>
        )}
        <button type="button" class="primary" onClick={closed}>
          Close
        </button>
      </div>
    </>
  )
}

function ResultLine({ result }: { readonly result: Result }) {
  const { job, state } = result
  switch (state) {
    case 'asking':
      return <State tone="idle" word={job} />
    case 'moves':
      return (
        <>
          <State tone="move" word={job} />
          <p>
            moves to {result.to}: <Link to={{ page: 'move', job, move: result.move }}>watch it</Link>
          </p>
        </>
      )
    case 'refused':
      return (
        <>
          <State tone="bad" word={job} />
          <p>does not move: {result.why}</p>
        </>
      )
  }
}
