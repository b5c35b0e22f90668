/**
 * Who did what: a file to which lines are only ever added. Each line carries the SHA-256 of the line before, so that one which is
 * missing or was changed shows (`verifyChain`): to somebody who looks, and not against whoever writes all of the file anew.
 *
 * Before something is done there is a line that it was `asked`, and before it is answered one of what came of it; lines that come
 * together are synced together. A crash may leave half a line: it stays as it is, a line of its own that says nothing, and the next
 * one goes on from it. A disk that was full leaves nothing: what was begun is taken off before anything is added.
 */
import { createHash } from 'node:crypto'
import { constants, type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type AuditEntry, auditEntry, GodwitError, LIMITS } from '@godwit/protocol'
import { type Logger, pino } from 'pino'
import { Refusals } from './refusals.ts'

export const AUDIT_FILE = 'audit.log'
/** What the first line carries. */
const NOTHING_BEFORE = '0'.repeat(64)
const { O_APPEND, O_CREAT, O_RDWR } = constants
const BLOCK_BYTES = 64 * 1024
/** A line has a few hundred. */
const MAX_LINE_BYTES = 256 * 1024

/** Where acts are written down. */
export interface Audit {
  /** On disk when it resolves. Errors: `disk-full`, `store-unusable`. */
  append(entry: AuditEntry): Promise<void>
  /**
   * For what anybody may cause as often as they like: a few a second are written down, and how many were not. Settles once that is
   * done, never with an error: what is refused is refused with a full disk too.
   */
  note(entry: AuditEntry): Promise<void>
  /**
   * As `note`, for whoever showed no token or certificate that counts. They have so many lines a second of their own, so that they hide
   * nobody else's, and so many bytes a day.
   */
  noteStranger(entry: AuditEntry): Promise<void>
  /** The latest `limit` entries, of one workload if it is given, oldest first. Looks at the end of the file only. */
  latest(options: { limit: number; workload?: string | undefined }): Promise<AuditEntry[]>
  close(): Promise<void>
}

export interface Act<T> {
  /** Of before it is done. */
  readonly intent: AuditEntry
  /** Of after it; `result` is what it returned, or threw. */
  outcome(result: unknown): AuditEntry
  act(): Promise<T>
}

/**
 * Carries out what is written down before and after. Without its intent on disk nothing is done: it throws what `append` does. When
 * only the outcome can't be written, the act is in the log and done: it is answered, so that nobody does it a second time.
 */
export async function withOutcome<T>(
  audit: Audit,
  log: Logger,
  { intent, outcome, act }: Act<T>,
): Promise<T> {
  await audit.append(intent)
  const write = async (result: unknown): Promise<void> => {
    const entry = outcome(result)
    try {
      await audit.append(entry)
    } catch (error) {
      log.error({ entry, error: (error as Error).message }, 'the outcome is not in the audit log')
    }
  }
  let result: T
  try {
    result = await act()
  } catch (error) {
    await write(error)
    throw error
  }
  await write(result)
  return result
}

interface End {
  readonly bytes: number
  /** Hash of the last line. */
  readonly last: string
}

interface Waiting {
  readonly entry: AuditEntry
  done(): void
  failed(error: GodwitError): void
}

export class AuditLog implements Audit {
  readonly #path: string
  #file: FileHandle
  readonly #log: Logger
  readonly #refusals = new Refusals('members and token holders')
  readonly #strangers = new Refusals('strangers', LIMITS.maxStrangersLogBytesPerDay)
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  /** Bytes of whole lines that are on disk. */
  #bytes: number
  /** Hash of the last of them. */
  #last: string
  /** More than those may be in the file: lines that failed, which could not be taken off. */
  #hasMore = false
  #isClosed = false

  private constructor(path: string, file: FileHandle, { bytes, last }: End, log: Logger) {
    this.#path = path
    this.#file = file
    this.#bytes = bytes
    this.#last = last
    this.#log = log
  }

  /** Errors: `store-unusable`, `disk-full`. */
  static async open(folder: string, log: Logger = pino({ level: 'silent' })): Promise<AuditLog> {
    const path = join(folder, AUDIT_FILE)
    try {
      const file = await open(path, O_APPEND | O_CREAT | O_RDWR, 0o600)
      let { size } = await file.stat()
      const lines = linesBackwards(file, size, MAX_LINE_BYTES)
      const torn = (await lines.next()).value
      if (torn === undefined || torn.length === 0) {
        const last = size === 0 ? undefined : (await lines.next()).value
        if (size > 0 && last === undefined) throw new Error('its last line has no end')
        const end = { bytes: size, last: last === undefined ? NOTHING_BEFORE : hashOf(last) }
        return new AuditLog(path, file, end, log)
      }
      log.warn({ bytes: torn.length }, 'the last line of the audit log was cut off: it is left as it is')
      await file.appendFile('\n')
      await file.datasync()
      size += 1
      return new AuditLog(path, file, { bytes: size, last: hashOf(torn) }, log)
    } catch (error) {
      throw auditError(error, path)
    }
  }

  append(entry: AuditEntry): Promise<void> {
    if (this.#isClosed) {
      return Promise.reject(
        new GodwitError('store-unusable', 'the audit log is closed: the coordinator ends'),
      )
    }
    return new Promise((done, failed) => {
      this.#waiting.push({ entry, done, failed })
      this.#writing ??= this.#write()
    })
  }

  note(entry: AuditEntry): Promise<void> {
    return this.#appendAll(this.#refusals.take(entry, performance.now()))
  }

  noteStranger(entry: AuditEntry): Promise<void> {
    return this.#appendAll(this.#strangers.take(entry, performance.now()))
  }

  async #appendAll(entries: readonly AuditEntry[]): Promise<void> {
    for (const each of entries) {
      try {
        await this.append(each)
      } catch (error) {
        this.#log.error({ error: (error as Error).message }, 'not in the audit log')
      }
    }
  }

  async latest({ limit, workload }: { limit: number; workload?: string | undefined }): Promise<AuditEntry[]> {
    const found: AuditEntry[] = []
    let answerBytes = 0
    for await (const line of linesBackwards(this.#file, this.#bytes, LIMITS.maxAuditReadBytes)) {
      const entry = entryOf(line)
      if (entry === undefined || (workload !== undefined && entry.workload !== workload)) continue
      answerBytes += line.length
      // All of them go into one message.
      if (found.length === limit || answerBytes > LIMITS.maxControlMessageBytes / 2) break
      found.push(entry)
    }
    return found.reverse()
  }

  async close(): Promise<void> {
    await this.#writing
    this.#isClosed = true
    await this.#file.close()
  }

  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        if (this.#hasMore) await this.#mend()
        await this.#add(batch.map(({ entry }) => entry))
        for (const { done } of batch) done()
      } catch (error) {
        const told = auditError(error, AUDIT_FILE)
        for (const { failed } of batch) failed(told)
      }
    }
    // Now, and not a microtask later: whoever was just told may append at once.
    this.#writing = undefined
  }

  async #add(entries: readonly AuditEntry[]): Promise<void> {
    let last = this.#last
    let text = ''
    for (const entry of entries) {
      const line = JSON.stringify({ ...entry, previous: last })
      last = hashOf(line)
      text += `${line}\n`
    }
    try {
      await this.#file.appendFile(text)
      await this.#file.datasync()
    } catch (error) {
      await this.#undo()
      throw error
    }
    this.#last = last
    this.#bytes += Buffer.byteLength(text)
  }

  /** What was answered with an error is not in the log. */
  async #undo(): Promise<void> {
    try {
      await this.#file.truncate(this.#bytes)
    } catch (error) {
      this.#hasMore = true
      this.#log.error({ error: (error as Error).message }, 'the audit log takes nothing until this is over')
    }
  }

  /** Tried again with each line until it succeeds; by a new handle too, since a file system that was away may not know the old one. */
  async #mend(): Promise<void> {
    try {
      await this.#file.truncate(this.#bytes)
    } catch {
      await this.#openAgain()
    }
    this.#hasMore = false
  }

  async #openAgain(): Promise<void> {
    const file = await open(this.#path, O_APPEND | O_RDWR)
    try {
      const { size } = await file.stat()
      if (size < this.#bytes) throw new Error(`of its ${this.#bytes} bytes ${size} are left`)
      await file.truncate(this.#bytes)
    } catch (error) {
      await file.close()
      throw error
    }
    await this.#file.close().catch(() => {})
    this.#file = file
  }
}

/** For a coordinator that has no folder. */
export const NO_AUDIT: Audit = {
  append: async () => {},
  note: async () => {},
  noteStranger: async () => {},
  latest: async () => {
    throw new GodwitError(
      'bad-arguments',
      'this coordinator keeps no audit log: start it with a folder of its own (--data-dir)',
    )
  },
  close: async () => {},
}

export interface Chain {
  readonly lines: number
  /** Numbers, from 1, of lines that a crash cut off. */
  readonly torn: readonly number[]
  /** Number, from 1, of the first line that does not go on from the one before it: that one was changed, or lines are missing. */
  readonly brokenAt?: number
}

/** Looks for lines of an audit log that are missing or were changed. Lines that are missing at its end are not noticed. */
export async function verifyChain(lines: Iterable<string> | AsyncIterable<string>): Promise<Chain> {
  let count = 0
  let expected = NOTHING_BEFORE
  const torn: number[] = []
  for await (const line of lines) {
    count += 1
    const previous = previousOf(line)
    if (previous === undefined) torn.push(count)
    else if (previous !== expected) return { lines: count, torn, brokenAt: count }
    expected = hashOf(line)
  }
  return { lines: count, torn }
}

function previousOf(line: string): string | undefined {
  const { previous } = (parsed(line) ?? {}) as { previous?: unknown }
  return typeof previous === 'string' ? previous : undefined
}

function entryOf(line: Buffer): AuditEntry | undefined {
  const { previous: _, ...entry } = (parsed(line.toString()) ?? {}) as Record<string, unknown>
  const checked = auditEntry.safeParse(entry)
  return checked.success ? checked.data : undefined
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function hashOf(line: string | Buffer): string {
  return createHash('sha256').update(line).digest('hex')
}

/** Lines from the end of a file, of which `maxBytes` are read; the first is what follows the last newline, mostly nothing. */
async function* linesBackwards(
  file: FileHandle,
  end: number,
  maxBytes: number,
): AsyncGenerator<Buffer, undefined> {
  let rest = Buffer.alloc(0)
  let at = end
  while (at > 0 && end - at < maxBytes) {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, at))
    at -= block.length
    await file.read(block, 0, block.length, at)
    const text = Buffer.concat([block, rest])
    let to = text.length
    while (to > 0) {
      const newline = text.lastIndexOf(10, to - 1)
      if (newline < 0) break
      yield text.subarray(newline + 1, to)
      to = newline
    }
    rest = text.subarray(0, to)
  }
  if (at === 0) yield rest
  return undefined
}

function auditError(error: unknown, path: string): GodwitError {
  if (error instanceof GodwitError) return error
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GodwitError('disk-full', `${path} could not be written, the disk is full: make room on it`, {
      cause: error,
    })
  }
  return new GodwitError('store-unusable', `${path} can't be used: ${message}`, { cause: error })
}
