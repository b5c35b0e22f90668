/** The moves of a job, as far as they are kept (retention.ts): oldest first, a page at a time. */
import { GodwitError, LIMITS, type MigrationView, type MoveEntry } from '@godwit/protocol'
import { listedError } from './workload-view.ts'

/** Errors: `unknown-migration` for an `after` that is no move of it, or no more. */
export function movesPage(
  moves: readonly MigrationView[],
  { after, limit = LIMITS.maxListed }: { after: string | undefined; limit: number | undefined },
): { moves: MoveEntry[]; next?: string } {
  const from = after === undefined ? 0 : moves.findIndex(({ id }) => id === after) + 1
  if (after !== undefined && from === 0)
    throw new GodwitError('unknown-migration', `${after} is not kept any more: ask from the beginning`)
  const page = moves.slice(from, from + limit).map(entryOf)
  const last = page.at(-1)?.id
  const isLast = last === undefined || from + page.length >= moves.length
  return { moves: page, ...(isLast ? {} : { next: last }) }
}

function entryOf(view: MigrationView): MoveEntry {
  const { id, from, to, status, maintenance, startedAtMs, error, report } = view
  return {
    id,
    from,
    to,
    status,
    ...(maintenance === undefined ? {} : { maintenance }),
    ...(startedAtMs === undefined ? {} : { startedAtMs }),
    ...(error === undefined ? {} : { error: listedError(error) }),
    ...(report === undefined ? {} : figuresOf(report)),
  }
}

function figuresOf({
  step,
  epoch,
  downtimeMs,
  totalMs,
  wireBytes,
}: NonNullable<MigrationView['report']>): Partial<MoveEntry> {
  return { step, epoch, downtimeMs, totalMs, wireBytes }
}
