/**
 * Which moves may begin, and what the others wait for: a queue for the whole cluster, whoever asked for a move.
 *
 * The intuition: rounds of one move slow down those of another on the same wire, and a host that sends to ten others at once finishes
 * none of them soon. So there are limits: what leaves a host at once, what comes to it, what crosses a link between two zones, and all
 * together. A move that is over one of them does not keep those behind it from beginning elsewhere. Nothing is kept of it but the
 * queued migrations themselves: what may begin follows from what there is, each time it is looked at.
 *
 * Who waits grows in priority: by one for each `agedByMs`, so that a stream of urgent moves does not keep the others back for ever.
 *
 * One whose hosts and link are just being switched over on (turns.ts) begins after that: what its target's start takes of a processor, and its first
 * round of the link, would be downtime. It keeps its place under the limits meanwhile, and is kept for `turnPatienceMs` at most.
 *
 * Invariants: pure; no limit is passed by what begins; of two that wait for the same, the one with more priority begins first, then
 * the one that was asked for first; none waits behind moves that were asked for later than two ages after it; while nothing is under way, one of those that could be moved begins.
 */
import { LIMITS, PRIORITIES, type Priority } from '@godwit/protocol'

export interface MoveLimits {
  /** Of one host, leaving and coming. */
  readonly out: number
  readonly in: number
  /** Between two zones, in both directions together. */
  readonly link: number
  readonly cluster: number
}

/** 1 and more of each; KubeVirt lets two leave a node, vSphere four to eight, and both know of no other limit but the cluster's. */
export const MOVE_LIMITS: MoveLimits = { out: 2, in: 2, link: 4, cluster: 16 }

export interface MovePath {
  readonly from: string
  readonly to: string
  /** Between their zones, where they are in two. */
  readonly link: string | undefined
}

export interface QueuedMove extends MovePath {
  readonly id: string
  readonly priority: Priority
  /** In which they were asked for. */
  readonly order: number
  /** For how long it has waited. */
  readonly waitedMs: number
  /** Why it can't begin whatever the limits: its job is restarting, say. */
  readonly busy?: string | undefined
  /** The move that switches over on a host or link that it needs. */
  readonly occupant?: string | undefined
  /** For how long it has been kept for the sake of switchovers alone. */
  readonly keptMs?: number | undefined
}

export interface QueuePlan {
  readonly begin: readonly string[]
  /** Of those that wait: kept for the sake of switchovers alone. */
  readonly kept: readonly string[]
  /** In their order, from place 1 on. */
  readonly waiting: readonly { readonly id: string; readonly place: number; readonly reason: string }[]
}

export function planQueue(
  queued: readonly QueuedMove[],
  underWay: readonly MovePath[],
  limits: MoveLimits,
): QueuePlan {
  const going = [...underWay]
  const begin: string[] = []
  const kept: string[] = []
  const waiting: { id: string; place: number; reason: string }[] = []
  for (const move of [...queued].sort(byTurn)) {
    const barred = move.busy ?? overLimit(move, going, limits)
    const reason = barred ?? occupied(move)
    if (barred === undefined) going.push(move)
    if (barred === undefined && reason !== undefined) kept.push(move.id)
    if (reason === undefined) begin.push(move.id)
    else waiting.push({ id: move.id, place: waiting.length + 1, reason })
  }
  return { begin, kept, waiting }
}

function occupied({ occupant, keptMs = 0 }: QueuedMove): string | undefined {
  if (occupant === undefined || keptMs > LIMITS.turnPatienceMs) return undefined
  return `${occupant} switches over on a host or link that it needs`
}

function byTurn(a: QueuedMove, b: QueuedMove): number {
  return rankOf(a) - rankOf(b) || a.order - b.order
}

/** 0 for the first: as `high`, or as one that has waited for long enough. */
function rankOf({ priority, waitedMs }: QueuedMove): number {
  return Math.max(0, PRIORITIES.indexOf(priority) - Math.floor(waitedMs / LIMITS.agedByMs))
}

function overLimit(
  { from, to, link }: MovePath,
  going: readonly MovePath[],
  limits: MoveLimits,
): string | undefined {
  const isFull = (most: number, is: (move: MovePath) => boolean): boolean => going.filter(is).length >= most
  if (isFull(limits.cluster, () => true))
    return `the cluster has ${limits.cluster} moves under way, its limit`
  if (isFull(limits.out, (move) => move.from === from)) return `${limits.out} moves leave ${from}, its limit`
  if (isFull(limits.in, (move) => move.to === to)) return `${limits.in} moves come to ${to}, its limit`
  if (link !== undefined && isFull(limits.link, (move) => move.link === link))
    return `${limits.link} moves are under way between ${link}, their limit`
  return undefined
}
