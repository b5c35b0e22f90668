/**
 * The rounds of a report. A migration that does not converge makes rounds for hours, and a report has to fit into a
 * message: when the list is full, neighbours are added up, so that totals stay exact and an entry stands for more.
 */
import { LIMITS, type RoundReport } from '@godwit/protocol'

export function addRound(rounds: readonly RoundReport[], round: RoundReport): readonly RoundReport[] {
  const list = rounds.length < LIMITS.maxRounds ? rounds : halved(rounds)
  return [...list, round]
}

function halved(rounds: readonly RoundReport[]): RoundReport[] {
  const half: RoundReport[] = []
  for (let index = 0; index < rounds.length; index += 2) {
    const [first, second] = [rounds[index] as RoundReport, rounds[index + 1]]
    half.push(second === undefined ? first : sum(first, second))
  }
  return half
}

function sum(a: RoundReport, b: RoundReport): RoundReport {
  return {
    ...(a.startMs !== undefined && { startMs: a.startMs }),
    pages: a.pages + b.pages,
    pageBytes: a.pageBytes + b.pageBytes,
    wireBytes: a.wireBytes + b.wireBytes,
    durationMs: a.durationMs + b.durationMs,
    steps: a.steps + b.steps,
    codec: a.codec === 'xor' ? 'xor' : b.codec,
  }
}
