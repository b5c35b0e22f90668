/**
 * Watching through lost connections: what was watched goes on from its cursor with the next one, so that nothing is missed and
 * nothing told twice; and if that can't be, whoever watches is told to begin anew.
 */
import type { Change, ChangeKind } from '@godwit/protocol'
import { throughLosses, type Watching } from './lasting.ts'

export interface ChangesHandler {
  readonly kinds: readonly ChangeKind[]
  /** To go on from; left out, all that there is comes first. */
  readonly after?: string | undefined
  changed(change: Change): void
  /** All that was told is known now. */
  current(): void
  /** Something was missed: what was known counts no more. */
  reset(): void
}

/** Never settles but with an error: those of `throughLosses`, what the coordinator refuses with. */
export async function watchChanges(session: Watching, handler: ChangesHandler): Promise<never> {
  let cursor = handler.after
  return throughLosses(session, async (client) => {
    const { isReset } = await client.watch({ kinds: handler.kinds, after: cursor }, (told) => {
      for (const change of told.changes) handler.changed(change)
      cursor = told.cursor
      if (told.isCurrent) handler.current()
    })
    if (isReset) handler.reset()
    return new Promise<never>(() => {})
  })
}
