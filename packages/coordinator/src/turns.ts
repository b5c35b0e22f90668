/**
 * Who may switch over now: migrations that share a host or a link between zones take turns.
 *
 * The intuition: a switchover is short and every byte of it is downtime. Two at once on one link each take twice as long; one after
 * the other, the second only trains a little longer. So a source that is ready says so, over and over, and is let go when nobody who
 * shares a link with it is in switchover. Nothing is queued anywhere: who asks is in line for as long as he keeps asking, which is
 * why neither a crash nor a lost message can leave a turn to nobody.
 *
 * Invariants: no two that share a link have a turn at once, but where one of them was silent, or did nothing with it, for too long; of those
 * that ask, the first by priority and then by time goes first.
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
export function behind(id: string, turns: readonly Turn[], nowMs: number): string | undefined {
  const mine = turns.find((turn) => turn.id === id)
  if (mine === undefined) throw new Error(`bug: ${id} never asked for a turn`)
  const others = turns.filter(
    (turn) => turn.id !== id && isAlive(turn, nowMs) && turn.links.some((link) => mine.links.includes(link)),
  )
  const first =
    others.find(({ sinceMs }) => sinceMs !== undefined) ?? others.find((turn) => goesBefore(turn, mine))
  return first?.id
}

function goesBefore(a: Turn, b: Turn): boolean {
  const byPriority = PRIORITIES.indexOf(a.priority) - PRIORITIES.indexOf(b.priority)
  if (byPriority !== 0) return byPriority < 0
  return a.askedMs < b.askedMs || (a.askedMs === b.askedMs && a.id < b.id)
}

export class Turns {
  readonly #nowMs: () => number
  readonly #turns = new Map<string, Turn>()

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
    if (behind(asked.id, [...this.#turns.values()], nowMs) !== undefined) return false
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

  /** It was let go, and may have parked already. */
  has(id: string): boolean {
    const turn = this.#turns.get(id)
    return turn?.sinceMs !== undefined && isAlive(turn, this.#nowMs())
  }

  /** For whom it waits, as of now. */
  behind(id: string): string | undefined {
    return this.#turns.has(id) ? behind(id, [...this.#turns.values()], this.#nowMs()) : undefined
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
