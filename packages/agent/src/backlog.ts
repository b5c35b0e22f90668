/**
 * What workers said while the coordinator was away, kept for its return.
 *
 * Not everything said is worth keeping, and what is must not be crowded out: one migration's progress, twenty
 * messages a second, would push every claim and every end out of any queue within minutes. So:
 *
 * - progress, pictures of pages and what the machine does are not kept: the next one says more; nor is an estimate, whose asker has gone;
 * - what workers repeat until they are answered (a claim, a recover, ...) is kept once;
 * - of what programs print the ends, a few of them: the rest is in a file, and passed on from there;
 * - of how checkpoints went the newest is kept, for each who asked and for nobody in particular: the disk holds no older one;
 * - outputs are kept up to a limit, oldest dropped first: a worker that lives sends again all that was not
 *   acknowledged, and only of one that has died meanwhile they are the last trace;
 * - everything else is kept. A worker says it once, so workers bound its number.
 *
 * Invariants: messages come out in the order in which they were given; nothing but progress, estimates, outputs, logs, repeats
 * and older checkpoints is ever dropped.
 */
import { type FromAgent, type FromWorker, LIMITS } from '@godwit/protocol'

type Keep = 'not' | 'once' | 'newest' | 'some' | 'all'

const KEEP: { readonly [Type in FromWorker['type']]: Keep } = {
  migrationProgress: 'not',
  pages: 'not',
  hello: 'not',
  estimated: 'not',
  prepared: 'once',
  ended: 'once',
  claim: 'once',
  recover: 'once',
  migrationEnded: 'once',
  outputs: 'some',
  failed: 'all',
  outgoingOpened: 'all',
  checkpointed: 'newest',
}

export class Backlog {
  #messages: FromAgent[] = []
  readonly #said = new Set<string>()
  #outputs = 0
  readonly #maxOutputs: number

  constructor(maxOutputs: number = LIMITS.maxKeptOutputs) {
    this.#maxOutputs = maxOutputs
  }

  /** Returns how many outputs were dropped to make room. */
  add(message: FromAgent): number {
    if (message.type === 'utilisation' || (message.type === 'log' && !message.isLast)) return 0
    if (message.type === 'log') this.#keepFewLogEnds()
    const keep = message.type === 'fromWorker' ? KEEP[message.message.type] : 'all'
    if (keep === 'not') return 0
    if (keep === 'once') {
      const words = wordsOf(message)
      if (this.#said.has(words)) return 0
      this.#said.add(words)
    }
    if (keep === 'newest') {
      const words = wordsOf(message)
      this.#messages = this.#messages.filter((older) => wordsOf(older) !== words)
    }
    this.#messages.push(message)
    this.#outputs += outputsIn(message)
    let dropped = 0
    while (this.#outputs > this.#maxOutputs) dropped += this.#dropOldestOutputs()
    return dropped
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

  #keepFewLogEnds(): void {
    const ends = this.#messages.filter(({ type }) => type === 'log')
    const oldest = ends[ends.length - LIMITS.maxKeptLogEnds]
    if (oldest !== undefined) this.#messages.splice(this.#messages.indexOf(oldest), 1)
  }

  #dropOldestOutputs(): number {
    const oldest = this.#messages.findIndex((message) => outputsIn(message) > 0)
    const dropped = this.#messages.splice(oldest, 1).reduce((sum, message) => sum + outputsIn(message), 0)
    this.#outputs -= dropped
    return dropped
  }
}

function outputsIn(message: FromAgent): number {
  return message.type === 'fromWorker' && message.message.type === 'outputs'
    ? message.message.outputs.length
    : 0
}

/** The same for a repeat: who says what about which migration or checkpoint, and how that ended. */
function wordsOf(message: FromAgent): string {
  if (message.type !== 'fromWorker') return message.type
  const { workerId, message: said } = message
  if (said.type === 'checkpointed') {
    // A failure says nothing of the one that is on disk.
    const asked = said.checkpointId ?? (said.error === undefined ? ' written' : ' failed')
    return `${workerId} ${said.type} ${asked}`
  }
  const migration = 'migrationId' in said ? said.migrationId : ''
  return `${workerId} ${said.type} ${migration} ${'status' in said ? said.status : ''}`
}
