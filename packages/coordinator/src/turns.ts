/**
 * Who may switch over now: migrations that share a host or a link between zones take turns.
 *
 * The intuition: a switchover is short and every byte of it is downtime. Two at once on one link each take twice as long; one after
 * the other, the second only trains a little longer. So a source that is ready says so, over and over, and is let go when nobody who
 * shares a link with it is in switchover. Nothing is queued anywhere: who asks is in line for as long as he keeps asking, which is
 * why neither a crash nor a lost message can leave a turn to nobody.
 *
 * A move that begins is no company for a switchover either: its target's worker takes the processor for a second and more as it starts, and
 * its first round all of the link. (Downtimes of 7 ms beside nothing, 26 beside another's setup and 31 beside its first round, up to 109.)
 * Moves begin beside each other, and a switchover waits for those that do; from when it asks on none begins there (move-queue.ts). Neither
 * waits for longer than `turnPatienceMs`: of a first round that takes minutes no switchover could be kept clear.
 *
 * Invariants: no two that share a link have a turn at once, but where one of them was silent, or did nothing with it, for too long; of those
 * that ask, the first by priority and then by time goes first; who waits grows in priority, by one for each `turnPatienceMs`.
 */
import { LIMITS, PRIORITIES, type Priority, zoneOf } from '@godwit/protocol'

export interface Turn {
  readonly id: string
  /** What it must not share with another. */
  readonly links: readonly string[]
  readonly priority: Priority
  /** When it began to ask. */
  readonly askedMs: number
  /** When it was last heard to ask, or to switch over. */
  readonly heardMs: number
  /** When its turn came; undefined while it waits. */
  readonly sinceMs?: number | undefined
  /** It has parked, or is about to. */
  readonly isSwitching?: boolean | undefined
}

/** A move from the start of its target to the end of its first round. */
export interface Beginning {
  readonly id: string
  readonly links: readonly string[]
  readonly sinceMs: number
}

/** What one waits for. */
export interface Ahead {
  readonly id: string
  readonly does: 'begins' | 'switches over'
}

/** Both hosts, and what their zones are joined by where they are in two. */
export function linksOf(from: HostPlace, to: HostPlace): string[] {
  const between = zoneLinkOf(from, to)
  return [`host ${from.name}`, `host ${to.name}`, ...(between === undefined ? [] : [between])]
}

/** Undefined within one zone. */
export function zoneLinkOf(from: HostPlace, to: HostPlace): string | undefined {
  const zones = [zoneOf(from.faultDomain), zoneOf(to.faultDomain)].sort()
  return zones[0] === zones[1] ? undefined : `zones ${zones.join(' and ')}`
}

export interface HostPlace {
  readonly name: string
  readonly faultDomain: string
}

/** Of one that waits: it is still asking. Of one that has its turn: it does something with it. */
export function isAlive({ heardMs, sinceMs, isSwitching }: Turn, nowMs: number): boolean {
  if (nowMs - heardMs > LIMITS.turnSilenceMs) return false
  return sinceMs === undefined || isSwitching === true || nowMs - sinceMs <= LIMITS.turnUnusedMs
}

/** Why `id` may not switch over now: the one that is first. Undefined when it may. */
export function behind(
  id: string,
  { turns, beginnings }: { readonly turns: readonly Turn[]; readonly beginnings: readonly Beginning[] },
  nowMs: number,
): Ahead | undefined {
  const mine = turns.find((turn) => turn.id === id)
  if (mine === undefined) throw new Error(`bug: ${id} never asked for a turn`)
  const others = turns.filter((turn) => turn.id !== id && isAlive(turn, nowMs) && share(turn, mine))
  const first =
    others.find(({ sinceMs }) => sinceMs !== undefined) ??
    others.find((turn) => goesBefore(turn, mine, nowMs))
  if (first !== undefined) return { id: first.id, does: 'switches over' }
  if (nowMs - mine.askedMs > LIMITS.turnPatienceMs) return undefined
  const beginning = beginnings.find(
    (other) => other.id !== id && nowMs - other.sinceMs <= LIMITS.turnPatienceMs && share(other, mine),
  )
  return beginning && { id: beginning.id, does: 'begins' }
}

/** Who has a turn on one of these links, or has not waited for too long for one: no move begins there. */
export function occupant(
  links: readonly string[],
  turns: readonly Turn[],
  nowMs: number,
): string | undefined {
  return turns.find(
    (turn) =>
      isAlive(turn, nowMs) &&
      (turn.sinceMs !== undefined || nowMs - turn.askedMs <= LIMITS.turnPatienceMs) &&
      share(turn, { links }),
  )?.id
}

type OnLinks = Pick<Turn, 'links'>

function share(a: OnLinks, b: OnLinks): boolean {
  return a.links.some((link) => b.links.includes(link))
}

function goesBefore(a: Turn, b: Turn, nowMs: number): boolean {
  const byPriority = rankOf(a, nowMs) - rankOf(b, nowMs)
  if (byPriority !== 0) return byPriority < 0
  return a.askedMs < b.askedMs || (a.askedMs === b.askedMs && a.id < b.id)
}

/** 0 for the first: as `high`, or as one that has waited for long enough. */
function rankOf({ priority, askedMs }: Turn, nowMs: number): number {
  return Math.max(0, PRIORITIES.indexOf(priority) - Math.floor((nowMs - askedMs) / LIMITS.turnPatienceMs))
}

export class Turns {
  readonly #nowMs: () => number
  readonly #turns = new Map<string, Turn>()
  readonly #beginnings = new Map<string, Beginning>()

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** Said many times a second while it is ready. True: it is to switch over. */
  ask(asked: Pick<Turn, 'id' | 'links' | 'priority'>): boolean {
    const nowMs = this.#nowMs()
    this.#tidy(nowMs)
    const known = this.#turns.get(asked.id)
    const turn = { askedMs: nowMs, ...known, ...asked, heardMs: nowMs, isSwitching: false }
    this.#turns.set(asked.id, turn)
    if (turn.sinceMs !== undefined) return true
    if (this.behind(asked.id) !== undefined) return false
    this.#turns.set(asked.id, { ...turn, sinceMs: nowMs })
    return true
  }

  /** It was heard switching over: by one that had its turn from an earlier coordinator, too. */
  switching(asked: Pick<Turn, 'id' | 'links' | 'priority'>): void {
    const nowMs = this.#nowMs()
    const known = this.#turns.get(asked.id)
    this.#turns.set(asked.id, {
      askedMs: nowMs,
      sinceMs: nowMs,
      ...known,
      ...asked,
      heardMs: nowMs,
      isSwitching: true,
    })
  }

  /** Its target starts, or its first round is sent; said again it changes nothing. */
  begins({ id, links }: OnLinks & { readonly id: string }): void {
    if (!this.#beginnings.has(id)) this.#beginnings.set(id, { id, links, sinceMs: this.#nowMs() })
  }

  hasBegun(id: string): void {
    this.#beginnings.delete(id)
  }

  /** Who keeps a move from beginning on one of these links. */
  occupant(links: readonly string[]): string | undefined {
    return occupant(links, [...this.#turns.values()], this.#nowMs())
  }

  /** It was let go, and may have parked already. */
  has(id: string): boolean {
    const turn = this.#turns.get(id)
    return turn?.sinceMs !== undefined && isAlive(turn, this.#nowMs())
  }

  /** For whom it waits, as of now. */
  behind(id: string): Ahead | undefined {
    if (!this.#turns.has(id)) return undefined
    const all = { turns: [...this.#turns.values()], beginnings: [...this.#beginnings.values()] }
    return behind(id, all, this.#nowMs())
  }

  /** It needs none any more, or not yet. */
  over(id: string): void {
    this.#turns.delete(id)
  }

  /** One that made nothing of its turn asks anew, behind the others. */
  #tidy(nowMs: number): void {
    for (const turn of this.#turns.values()) if (!isAlive(turn, nowMs)) this.#turns.delete(turn.id)
  }
}
