/** Lists come a page at a time: here they are asked for to their end. */
import type { MoveEntry } from '@godwit/protocol'
import { ask } from './ask.ts'

/** Oldest first. */
export async function allMoves(workload: string): Promise<MoveEntry[]> {
  const all: MoveEntry[] = []
  let after: string | undefined
  do {
    const page = await ask({ op: 'history', workload, ...(after !== undefined && { after }) })
    all.push(...page.moves)
    after = page.next
  } while (after !== undefined)
  return all
}
