/**
 * Checkpoints of a simulated job: a migration to a file. Pages are copied while training runs, those dirtied meanwhile
 * while it stands; then the file takes the place of the one before, all at once. The design's, on simulated memory.
 */
import { type CheckpointReport, type ErrorReport, type Output, PAGE_BYTES } from '@godwit/protocol'
import type { Subscription } from './dirty.ts'
import type { SimJob } from './job.ts'
import type { ThreadParked } from './training.ts'

/** As it lies on a host's disk. */
export interface CheckpointFile {
  readonly pages: Int32Array
  readonly small: number
  readonly step: number
  readonly spool: readonly Output[]
}

const FIRST_AFTER_MS = 500
/** Pages are copied in so many turns. */
const SLICES = 3
const SLICE_MS = 4

export class SimCheckpoints {
  readonly #job: SimJob
  readonly #everyMs: number | undefined
  #next = new Set<string>()
  #current: Set<string> | undefined
  #subscription: Subscription | undefined
  #image: Int32Array | undefined
  #cancelTimer: () => void = () => {}
  #isOver = false
  /** Of the one under way: what happens to an earlier one is nobody's. */
  #attempt = 0

  constructor(job: SimJob, everyMs: number | undefined) {
    this.#job = job
    this.#everyMs = everyMs
  }

  begin(): void {
    if (this.#everyMs !== undefined) this.#dueIn(Math.min(FIRST_AFTER_MS, this.#everyMs))
  }

  ask(checkpointId: string): void {
    if (this.#isOver) return this.#answer([checkpointId], OVER)
    if (this.#current?.has(checkpointId) === true) return
    this.#next.add(checkpointId)
    if (this.#current === undefined) this.#write()
  }

  /** What is being written would be of a past that does not count. */
  abandon(error: ErrorReport): void {
    const asked = this.#current
    if (asked === undefined) return
    this.#current = undefined
    this.#attempt += 1
    this.#image = undefined
    this.#job.parks.giveUp()
    this.#answer([...asked], error)
  }

  over(): void {
    this.#isOver = true
    this.#cancelTimer()
    this.abandon(OVER)
    this.#answer([...this.#next], OVER)
    this.#next.clear()
  }

  #dueIn(delayMs: number): void {
    this.#cancelTimer()
    this.#cancelTimer = this.#job.process.after(delayMs, () => {
      if (this.#current === undefined && !this.#isOver) this.#write()
    })
  }

  #write(): void {
    const { parks } = this.#job
    this.#cancelTimer()
    this.#current = this.#next
    this.#next = new Set()
    this.#attempt += 1
    const attempt = this.#attempt
    parks.whenFree(() => {
      if (attempt === this.#attempt) this.#round(attempt)
    })
  }

  #round(attempt: number): void {
    const { shape, dirty } = this.#job
    this.#subscription ??= dirty.subscribe()
    const subscription = this.#subscription
    const taken = subscription.take()
    const before = this.#image
    const pages = Array.from({ length: shape.pages }, (_, page) => page).filter(
      (page) => before === undefined || taken.has(page),
    )
    this.#copy({
      attempt,
      image: before?.slice() ?? new Int32Array(shape.pages),
      pages,
      isAll: before === undefined,
    })
  }

  #copy(copying: { attempt: number; image: Int32Array; pages: readonly number[]; isAll: boolean }): void {
    const { attempt, image, pages, isAll } = copying
    const { process, training, parks } = this.#job
    const size = Math.ceil(pages.length / SLICES)
    const slice = (index: number): void => {
      if (attempt !== this.#attempt) return
      const some = pages.slice(index * size, (index + 1) * size)
      for (const page of some) image[page] = training.memory.pages[page] as number
      if (index + 1 < SLICES) process.after(SLICE_MS, () => slice(index + 1))
      else parks.whenFree(() => this.#park(attempt, image, { pages: pages.length, isAll }))
    }
    slice(0)
  }

  #park(attempt: number, image: Int32Array, copied: { pages: number; isAll: boolean }): void {
    if (attempt !== this.#attempt) return
    const { parks, training, spool } = this.#job
    parks.forCheckpoint(({ step, small }: ThreadParked) => {
      const dirtied = this.#subscription?.take()
      for (const { firstPage, pageCount } of dirtied?.runs() ?? []) {
        for (let page = firstPage; page < firstPage + pageCount; page++)
          image[page] = training.memory.pages[page] as number
      }
      // Each has a copy of its own: what is on the disk does not change.
      const file = { pages: image.slice(), small, step, spool: [...spool.all] }
      this.#save(attempt, file, { ...copied, dirtied: dirtied?.size ?? 0 })
    })
  }

  #save(
    attempt: number,
    file: CheckpointFile,
    { pages, dirtied, isAll }: { pages: number; dirtied: number; isAll: boolean },
  ): void {
    const { process } = this.#job
    process.after(process.random.between(2, 40), () => {
      if (attempt !== this.#attempt) return
      process.point('before-write:checkpoint')
      process.leave(() => this.#job.saveCheckpoint(file))
      process.point('after-write:checkpoint')
      this.#image = this.#everyMs === undefined ? undefined : file.pages
      if (this.#everyMs === undefined) {
        this.#subscription?.end()
        this.#subscription = undefined
      }
      const writtenBytes = (pages + dirtied) * PAGE_BYTES
      const report: CheckpointReport = {
        step: file.step,
        rounds: 2,
        incremental: !isAll,
        pages: pages + dirtied,
        writtenBytes,
        fileBytes: writtenBytes,
        stallMs: 1,
        totalMs: 20,
      }
      const asked = this.#current ?? new Set()
      this.#current = undefined
      if (asked.size === 0) this.#job.tell({ type: 'checkpointed', report })
      for (const checkpointId of asked) this.#job.tell({ type: 'checkpointed', checkpointId, report })
      if (this.#next.size > 0) this.#write()
      else if (this.#everyMs !== undefined) this.#dueIn(this.#everyMs)
    })
  }

  #answer(asked: readonly string[], error: ErrorReport): void {
    for (const checkpointId of asked) this.#job.tell({ type: 'checkpointed', checkpointId, error })
  }
}

const OVER: ErrorReport = { kind: 'workload-ended', message: 'the workload has left, or took its last step' }
