/**
 * One who watches: how far it has come in the changes. It is told as fast as it reads, and of what changed meanwhile as it is then; one
 * who is so slow that something is forgotten which it was not told goes, and is told so when it comes back.
 */
import { type ChangeKind, GodwitError, LIMITS, type ToClient } from '@godwit/protocol'
import type { Changes } from './changes.ts'

export interface WatcherSink {
  send(message: Extract<ToClient, { type: 'changes' }>): void
  bufferedBytes(): number
  /** Ends the connection. */
  end(error: GodwitError): void
}

export interface WatcherOptions {
  readonly changes: Changes
  readonly sink: WatcherSink
  readonly kinds: ReadonlySet<ChangeKind>
  /** The number of the last change that it knows. */
  readonly after: number
  readonly freshUpTo: number
  stopped(): void
}

/** Messages at once: others want to be told too. */
const MOST_AT_ONCE = 10

export class Watcher {
  readonly #options: WatcherOptions
  #sequence: number
  #isStarted = false
  #isCurrent = false

  constructor(options: WatcherOptions) {
    this.#options = options
    this.#sequence = options.after
  }

  /** Called once the reply that announces the changes is sent. */
  start(): void {
    this.#isStarted = true
    this.#options.changes.tellSoon()
  }

  stop(): void {
    this.#isStarted = false
    this.#options.stopped()
  }

  /** Tells what there is to tell. False while there is more. */
  pump(): boolean {
    const { changes, sink, kinds, freshUpTo } = this.#options
    for (let times = 0; times < MOST_AT_ONCE; times++) {
      if (!this.#isStarted) return true
      if (changes.isForgotten(this.#sequence) && this.#sequence >= freshUpTo) {
        sink.end(new GodwitError('peer-stalled', 'the changes come faster than they are read'))
        return true
      }
      if (this.#isCurrent && this.#sequence === changes.sequence) return true
      if (sink.bufferedBytes() > LIMITS.maxWaitingChangeBytes) return false
      const read = changes.read(this.#sequence, kinds, freshUpTo)
      const isNews = read.changes.length > 0 || (read.isCurrent && !this.#isCurrent)
      this.#sequence = read.sequence
      this.#isCurrent = read.isCurrent
      if (isNews)
        sink.send({
          type: 'changes',
          cursor: changes.cursorOf(read.sequence),
          changes: read.changes,
          isCurrent: read.isCurrent,
        })
    }
    return false
  }
}
