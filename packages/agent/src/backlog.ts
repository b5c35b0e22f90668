/**
 * What workers said while the coordinator was away, kept for its return.
 *
 * Not everything said is worth keeping, and what is must not be crowded out: one migration's progress, twenty
 * messages a second, would push every claim and every end out of any queue within minutes. So:
 *
 * - progress is not kept: the next one says more;
 * - what workers repeat until they are answered (a claim, a recover, ...) is kept once;
 * - outputs are kept up to a limit, oldest dropped first: a worker that lives sends again all that was not
 *   acknowledged, and only of one that has died meanwhile they are the last trace;
 * - everything else is kept. A worker says it once, so workers bound its number.
 *
 * Invariants: messages come out in the order in which they were given; nothing but progress, outputs and repeats is
 * ever dropped.
 */
import type { FromAgent, FromWorker } from '@godwit/protocol'

/** Messages with outputs that are kept: what the spools of some dozen workers hold. */
export const MAX_KEPT_OUTPUTS = 10_000

type Keep = 'not' | 'once' | 'some' | 'all'

const KEEP: { readonly [Type in FromWorker['type']]: Keep } = {
  migrationProgress: 'not',
  prepared: 'once',
  ended: 'once',
  claim: 'once',
  recover: 'once',
  migrationEnded: 'once',
  outputs: 'some',
  failed: 'all',
  outgoingOpened: 'all',
}

export class Backlog {
  #messages: FromAgent[] = []
  readonly #said = new Set<string>()
  #outputs = 0
  readonly #maxOutputs: number

  constructor(maxOutputs: number = MAX_KEPT_OUTPUTS) {
    this.#maxOutputs = maxOutputs
  }

  /** Returns the message that was dropped for this one, if it was the last copy that we had. */
  add(message: FromAgent): FromAgent | undefined {
    const keep = message.type === 'fromWorker' ? KEEP[message.message.type] : 'all'
    if (keep === 'not') return undefined
    if (keep === 'once') {
      const words = wordsOf(message)
      if (this.#said.has(words)) return undefined
      this.#said.add(words)
    }
    this.#messages.push(message)
    if (keep !== 'some') return undefined
    this.#outputs += 1
    return this.#outputs > this.#maxOutputs ? this.#dropOutputs() : undefined
  }

  /** Workers whose end is not told yet: the coordinator has to know them until it is. */
  exited(): string[] {
    return this.#messages.flatMap((message) => (message.type === 'workerExited' ? [message.workerId] : []))
  }

  /** Everything, in order; nothing is kept after it. */
  take(): FromAgent[] {
    const messages = this.#messages
    this.#messages = []
    this.#said.clear()
    this.#outputs = 0
    return messages
  }

  #dropOutputs(): FromAgent | undefined {
    const oldest = this.#messages.findIndex(
      (message) => message.type === 'fromWorker' && KEEP[message.message.type] === 'some',
    )
    this.#outputs -= 1
    return this.#messages.splice(oldest, 1)[0]
  }
}

/** The same for a repeat: who says what about which migration, and how that ended. */
function wordsOf(message: FromAgent): string {
  if (message.type !== 'fromWorker') return message.type
  const { workerId, message: said } = message
  const migration = 'migrationId' in said ? said.migrationId : ''
  return `${workerId} ${said.type} ${migration} ${'status' in said ? said.status : ''}`
}
