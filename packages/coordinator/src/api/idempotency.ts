/**
 * A request that is sent twice because its answer was lost is done once: whoever sends it names it with an `Idempotency-Key`, and the
 * second one gets the answer of the first (draft-ietf-httpapi-idempotency-key-header).
 *
 * Answers are written down before they are given, so that a coordinator that is started again remembers them too; those that hold a
 * secret are kept in memory alone. One that dies after something was done and before that is written does not: what `run` with an id and
 * `migrate` ask for is recognised then by what it says.
 *
 * Invariants: of two requests under one key, at once or one after the other, one is carried out; a key is never answered with what another request was
 * answered with, nor to anybody but its owner; what is kept is bounded, and the oldest goes first.
 */
import { createHash } from 'node:crypto'
import { GodwitError, LIMITS } from '@godwit/protocol'
import { z } from 'zod'
import type { KeyValueStore } from '../key-value.ts'
import { KEYS } from '../records.ts'

export interface Answer {
  readonly status: number
  /** JSON. */
  readonly body: string
}

const keptAnswer = z.strictObject({
  status: z.int(),
  body: z.string(),
  atMs: z.number(),
  /** Digest of what was asked. */
  asked: z.string(),
})
type Kept = z.infer<typeof keptAnswer>

interface Asked {
  /** Whose key it is. */
  readonly who: string
  readonly key: string
  /** All that was asked, as text. */
  readonly text: string
  /** Its answer must not be written down. */
  readonly isSecret: boolean
}

const KEY = /^[\x21-\x7e]{1,200}$/

export class IdempotencyKeys {
  readonly #store: KeyValueStore
  readonly #now: () => number
  /** The oldest first. */
  readonly #kept = new Map<string, Kept>()
  readonly #underWay = new Map<string, { asked: string; answer: Promise<Answer> }>()
  #bytes = 0

  private constructor(store: KeyValueStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** `now`: milliseconds since 1970. */
  static async open(store: KeyValueStore, now: () => number): Promise<IdempotencyKeys> {
    const keys = new IdempotencyKeys(store, now)
    const entries = await store.list(KEYS.idempotency(''))
    const kept = entries.flatMap(({ key, value }): [string, Kept][] => {
      const each = keptIn(value)
      return each === undefined ? [] : [[key.slice(KEYS.idempotency('').length), each]]
    })
    for (const [id, each] of kept.sort(([, a], [, b]) => a.atMs - b.atMs)) keys.#keep(id, each)
    keys.#forgetOld()
    return keys
  }

  get size(): number {
    return this.#kept.size
  }

  /**
   * What `act` answers, or answered. `isReplay`: it was not carried out now. What `act` throws is not remembered: nothing was done.
   * Errors: `bad-arguments` for a key that is none, or was another request's.
   */
  async once(asked: Asked, act: () => Promise<Answer>): Promise<Answer & { isReplay: boolean }> {
    if (!KEY.test(asked.key)) {
      throw new GodwitError(
        'bad-arguments',
        'Idempotency-Key: write 1 to 200 visible ASCII characters, a UUID for instance',
      )
    }
    this.#forgetOld()
    const id = digestOf(`${asked.who} ${asked.key}`)
    const text = digestOf(asked.text)
    const known = this.#kept.get(id) ?? this.#underWay.get(id)
    if (known !== undefined) {
      if (known.asked !== text) {
        throw new GodwitError(
          'bad-arguments',
          `Idempotency-Key ${asked.key} was another request's: make a new one for each`,
        )
      }
      const { status, body } = 'answer' in known ? await known.answer : known
      return { status, body, isReplay: true }
    }
    const answer = act()
    this.#underWay.set(id, { asked: text, answer })
    try {
      const { status, body } = await answer
      const kept = { status, body, asked: text, atMs: this.#now() }
      this.#keep(id, kept)
      // It is done: it is answered, though the next coordinator may not know of it.
      if (!asked.isSecret)
        await this.#store.put(KEYS.idempotency(id), Buffer.from(JSON.stringify(kept))).catch(() => {})
      return { status, body, isReplay: false }
    } finally {
      this.#underWay.delete(id)
    }
  }

  #keep(id: string, kept: Kept): void {
    this.#kept.set(id, kept)
    this.#bytes += kept.body.length
  }

  #forgetOld(): void {
    for (const [id, { atMs, body }] of this.#kept) {
      const isOld = this.#now() - atMs >= LIMITS.keepIdempotencyMs
      const isFull = this.#kept.size > LIMITS.maxIdempotencyKeys || this.#bytes > LIMITS.maxIdempotencyBytes
      if (!isOld && !isFull) return
      this.#kept.delete(id)
      this.#bytes -= body.length
      // What stays on the disk is forgotten by the next coordinator.
      this.#store.delete(KEYS.idempotency(id)).catch(() => {})
    }
  }
}

/** Undefined for what is none: to forget an answer is better than not to start. */
function keptIn(value: Uint8Array): Kept | undefined {
  try {
    const parsed = keptAnswer.safeParse(JSON.parse(Buffer.from(value).toString('utf8')))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
