/**
 * When checkpoints are written: when somebody asks, and every so often where the job was launched so; the first soon after the job goes on here, so
 * that one that has moved has one on its new host.
 *
 * Between checkpoints that come every so often the tracker stays armed: what was dirtied since is all that the next one writes. That is
 * their price, a page's first write between two of them. Without them nothing is armed before somebody asks, and nothing afterwards.
 *
 * Invariants: one checkpoint is under way at a time; whoever asked is answered once for each time he asked, with a checkpoint of a state that is not
 * older than his asking; what a failed one had taken from the tracker the next one writes; while a migration has the thread, or
 * waits for it, nothing is written.
 */
import type { Subscription } from '@godwit/memory'
import {
  type CheckpointSegment,
  type FromWorker,
  GodwitError,
  LIMITS,
  PageSet,
  toErrorReport,
} from '@godwit/protocol'
import { CheckpointFolder } from './checkpoint-folder.ts'
import { type WrittenCheckpoint, writeCheckpoint } from './checkpoint-writer.ts'
import { writeError } from './files.ts'
import type { Job } from './job.ts'

type Answer = Extract<FromWorker, { type: 'checkpointed' }>

/** The first steps on a new host have the processor for themselves. */
const FIRST_AFTER_MS = 500
/** Answers that are kept for who asks again, and those who may wait for one. */
const KEPT_ANSWERS = 32
const MOST_WAITING = 16

interface Current {
  /** Who is answered by it; undefined for nobody in particular. */
  readonly asked: Set<string>
  /** Its state is fixed: who asks now wants a later one. */
  isCopied: boolean
  isAnswered: boolean
  end: (error: GodwitError) => void
  readonly ended: Promise<never>
}

export class Checkpoints {
  readonly #job: Job
  readonly #folder: CheckpointFolder
  readonly #everyMs: number | undefined
  readonly #answers = new Map<string, Answer>()
  #next = new Set<string>()
  #current: Current | undefined
  #subscription: Subscription | undefined
  /** What the checkpoint on disk consists of, for as long as pages dirtied since are known. */
  #segments: readonly CheckpointSegment[] = []
  #usualRest = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(job: Job, folder = new CheckpointFolder(job.launch.checkpointFolder)) {
    this.#job = job
    this.#everyMs = job.launch.checkpointEveryMs
    this.#folder = folder
  }

  /** The job's steps are taken here from now on. */
  begin(): void {
    if (this.#everyMs !== undefined) this.#dueIn(Math.min(FIRST_AFTER_MS, this.#everyMs))
  }

  ask(checkpointId: string): void {
    const answered = this.#answers.get(checkpointId)
    if (answered !== undefined) return this.#job.tell(answered)
    if (this.#isOver) {
      const error = new GodwitError('workload-ended', 'the workload has left, or took its last step')
      return this.#answer([checkpointId], { error: toErrorReport(error) })
    }
    if (this.#current?.asked.has(checkpointId) === true) return
    if (this.#next.size >= MOST_WAITING) {
      const error = new GodwitError(
        'checkpoint-failed',
        `${MOST_WAITING} others wait for a checkpoint: ask later`,
      )
      return this.#job.tell({ type: 'checkpointed', checkpointId, error: toErrorReport(error) })
    }
    if (this.#current?.isCopied === false && !this.#current.isAnswered) this.#current.asked.add(checkpointId)
    else this.#next.add(checkpointId)
    if (this.#current === undefined) void this.#write()
  }

  /** The one under way, if there is one, ends, and those who wait for it are told why. The one before is still there. */
  abandon(error: GodwitError): void {
    if (this.#current !== undefined) this.#end(this.#current, error)
  }

  /** No further step is taken here. */
  over(error: GodwitError): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.abandon(error)
    this.#answer([...this.#next], { error: toErrorReport(error) })
    this.#next.clear()
  }

  #dueIn(delayMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#current === undefined && !this.#isOver) void this.#write()
    }, delayMs)
  }

  /** Never rejects. */
  async #write(): Promise<void> {
    const current = newCurrent(this.#next)
    this.#next = new Set()
    this.#current = current
    clearTimeout(this.#timer)
    const late = setTimeout(() => {
      const message = `it was not on disk within ${LIMITS.checkpointTimeoutMs} ms: is the disk, or a migration, stuck?`
      const error = new GodwitError('checkpoint-failed', message)
      this.#end(current, error)
      // A disk that hangs can't be told to stop: nobody waits for it.
      this.#say(current, { error: toErrorReport(error) })
    }, LIMITS.checkpointTimeoutMs)
    let said: Omit<Answer, 'type' | 'checkpointId'>
    try {
      said = { report: (await this.#attempt(current)).report }
    } catch (error) {
      if (!(error instanceof GodwitError)) console.error(error)
      said = { error: toErrorReport(writeError(error)) }
    }
    clearTimeout(late)
    this.#current = undefined
    // They were told that it failed, and then it was published after all.
    if (current.isAnswered && said.report !== undefined) this.#answer([], said)
    this.#say(current, said)
    if (this.#isOver) return
    if (this.#next.size > 0) void this.#write()
    else if (this.#everyMs !== undefined) this.#dueIn(this.#everyMs)
  }

  async #attempt(current: Current): Promise<WrittenCheckpoint> {
    const job = this.#job
    const mayGoOn = async (): Promise<void> => {
      // In this order: what has ended is not let go on because the thread is free as well.
      do await Promise.race([current.ended, job.parks.free()])
      while (job.parks.isSwitchingOver)
    }
    await mayGoOn()
    const subscription = this.#subscription ?? job.dirtyPages.subscribe()
    this.#subscription = subscription
    const before = this.#mayAdd() ? this.#segments : []
    const dirtied = subscription.take()
    const taken = before.length > 0 ? dirtied : PageSet.full(dirtied.pageCount)
    const copied = (): void => {
      current.isCopied = true
    }
    try {
      const written = await writeCheckpoint({
        job,
        folder: this.#folder,
        subscription,
        before,
        taken,
        usualRest: this.#usualRest,
        mayGoOn,
        copied,
        named: (segments) => {
          this.#segments = segments
        },
      })
      this.#usualRest = written.copiedPages
      return written
    } catch (error) {
      subscription.putBack(taken)
      throw error
    } finally {
      if (this.#everyMs === undefined || this.#isOver) this.#unsubscribe()
    }
  }

  /** Whether what is there may be added to, or has grown so much that everything is written anew. */
  #mayAdd(): boolean {
    const bytes = this.#segments.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const mostBytes = LIMITS.maxCheckpointGrowth * this.#job.paged.length
    return (
      this.#segments.length > 0 && this.#segments.length < LIMITS.maxCheckpointSegments && bytes <= mostBytes
    )
  }

  #unsubscribe(): void {
    this.#subscription?.end()
    this.#subscription = undefined
    this.#segments = []
  }

  #end(current: Current, error: GodwitError): void {
    current.end(error)
    this.#job.parks.giveUp(error)
  }

  #say(current: Current, said: Omit<Answer, 'type' | 'checkpointId'>): void {
    if (!current.isAnswered) this.#answer([...current.asked], said)
    current.isAnswered = true
  }

  /** To each who asked; to nobody in particular when nobody did. */
  #answer(asked: readonly string[], said: Omit<Answer, 'type' | 'checkpointId'>): void {
    if (asked.length === 0 && !this.#isOver) this.#job.tell({ type: 'checkpointed', ...said })
    for (const checkpointId of asked) {
      const answer: Answer = { type: 'checkpointed', checkpointId, ...said }
      this.#answers.set(checkpointId, answer)
      this.#job.tell(answer)
    }
    for (const oldest of [...this.#answers.keys()].slice(0, -KEPT_ANSWERS)) this.#answers.delete(oldest)
  }
}

function newCurrent(asked: Set<string>): Current {
  let end: Current['end'] = () => {}
  const ended = new Promise<never>((_, reject) => {
    end = reject
  })
  // Nobody may be waiting at the moment.
  ended.catch(() => {})
  return { asked, isCopied: false, isAnswered: false, end, ended }
}
