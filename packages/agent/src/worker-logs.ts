/**
 * What workers print, passed on from their files.
 *
 * A worker writes to its file whether or not anybody reads it, so an agent or a coordinator that is away costs nothing. Here is looked every now and
 * then at what is new; a piece of it is said, and said again until the coordinator answers up to where it has it. An agent that took
 * workers over knows nothing and begins at the beginning: the answer puts it right.
 *
 * A file that has grown too long is begun anew, and says so in its first line; whatever the worker writes goes to its end.
 *
 * Invariants: of each worker one piece is under way; pieces end where a line ends, as far as lines are short enough; the end of a worker's file is said before
 * its exit is.
 */
import { appendFileSync, closeSync, fstatSync, openSync, readSync, truncateSync } from 'node:fs'
import { type FromAgent, LIMITS, type LogPlace } from '@godwit/protocol'
import type { Passport } from './data-dir.ts'

type Printed = Extract<FromAgent, { type: 'log' }>

interface Followed {
  readonly workloadId: string
  readonly path: string
  /** What is before it has been kept, or is gone. */
  place: LogPlace
  /** When the piece that is under way was said. */
  saidMs: number | undefined
}

const NEWLINE = 0x0a

export class WorkerLogs {
  readonly #printed: (message: Printed) => void
  readonly #followed = new Map<string, Followed>()
  #timer: NodeJS.Timeout | undefined

  constructor(printed: (message: Printed) => void) {
    this.#printed = printed
  }

  attend({ workerId, workloadId }: Pick<Passport, 'workerId' | 'workloadId'>, path: string): void {
    const place = { generation: 0, at: 0 }
    this.#followed.set(workerId, { workloadId, path, place, saidMs: undefined })
    this.#timer ??= setInterval(() => this.look(), LIMITS.logEveryMs).unref()
  }

  /** The coordinator has all before `place`. */
  kept(workerId: string, place: LogPlace): void {
    const followed = this.#followed.get(workerId)
    if (followed === undefined) return
    followed.saidMs = undefined
    if (!isBefore(followed.place, place)) return
    followed.place = place
    this.#tell(workerId, followed)
  }

  /** What was said last may have been lost. */
  again(): void {
    for (const followed of this.#followed.values()) followed.saidMs = undefined
  }

  /** Says what is new of each. */
  look(): void {
    for (const [workerId, followed] of this.#followed) this.#tell(workerId, followed)
  }

  /** The worker has exited: what is left, or the end of it. */
  ended(workerId: string): void {
    const followed = this.#followed.get(workerId)
    this.#followed.delete(workerId)
    if (this.#followed.size === 0) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
    const piece = followed && pieceOf(followed, true)
    if (followed !== undefined && piece !== undefined)
      this.#say(workerId, followed, { ...piece, isLast: true })
  }

  #tell(workerId: string, followed: Followed): void {
    const isUnderWay = followed.saidMs !== undefined && performance.now() - followed.saidMs < LIMITS.repeatMs
    if (isUnderWay) return
    const piece = pieceOf(followed, false)
    if (piece === undefined) return
    followed.saidMs = performance.now()
    this.#say(workerId, followed, { ...piece, isLast: false })
  }

  #say(
    workerId: string,
    { workloadId }: Followed,
    piece: { place: LogPlace; bytes: Uint8Array; isLast: boolean },
  ): void {
    this.#printed({ type: 'log', workerId, workloadId, ...piece })
  }
}

/** What to say next; undefined where there is nothing new. Of a file that can't be read nothing is said. */
function pieceOf(followed: Followed, isLast: boolean): { place: LogPlace; bytes: Uint8Array } | undefined {
  let file: number
  try {
    file = openSync(followed.path, 'r')
  } catch {
    return undefined
  }
  try {
    const { size } = fstatSync(file)
    // An earlier agent began it anew.
    if (size < followed.place.at) followed.place = { generation: followed.place.generation + 1, at: 0 }
    const { generation, at } = followed.place
    const from = isLast ? Math.max(at, size - LIMITS.maxLogChunkBytes) : at
    const bytes = Buffer.alloc(Math.min(LIMITS.maxLogChunkBytes, size - from))
    const read = bytes.subarray(0, readSync(file, bytes, 0, bytes.length, from))
    const piece = isLast ? read : read.subarray(0, endOf(read))
    if (!isLast && size > LIMITS.maxLogFileBytes) beginAnew(followed, size)
    return piece.length === 0 ? undefined : { place: { generation, at: from }, bytes: piece }
  } catch {
    return undefined
  } finally {
    closeSync(file)
  }
}

/** Behind the last whole line; all of it where a line is longer than a piece. */
function endOf(bytes: Buffer): number {
  const end = bytes.lastIndexOf(NEWLINE) + 1
  return end === 0 && bytes.length === LIMITS.maxLogChunkBytes ? bytes.length : end
}

function beginAnew(followed: Followed, size: number): void {
  const { generation, at } = followed.place
  truncateSync(followed.path, 0)
  if (size > at)
    appendFileSync(followed.path, `[godwit: ${size - at} bytes that nobody has fetched were cut here]\n`)
  followed.place = { generation: generation + 1, at: 0 }
  followed.saidMs = undefined
}

function isBefore(one: LogPlace, other: LogPlace): boolean {
  return one.generation < other.generation || (one.generation === other.generation && one.at < other.at)
}
