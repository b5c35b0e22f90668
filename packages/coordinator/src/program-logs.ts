/**
 * What programs print, in the store: lines in parts, each under its first line, with one record a job that says which parts there are and how
 * far each worker's file is known.
 *
 * A commit holds the lines of a message and how far they reach, so what an agent says twice, since an answer was lost or a coordinator with
 * it, is kept once. Nothing is held in memory between two messages: most jobs print little, and ten thousand of them nothing.
 *
 * Invariants: lines are numbered without gaps in the order in which they were kept; of one worker none is kept twice; what was lost of them is said
 * in a line of ours; at most about `maxLogLength` characters of a job are kept, the latest ones.
 */
import {
  decodeValue,
  encodeValue,
  type FromAgent,
  LIMITS,
  type LogLine,
  type LogPlace,
} from '@godwit/protocol'
import type { KeyValueStore, Write } from './key-value.ts'
import { ABSENT } from './key-value.ts'
import { SerialQueue } from './serial-queue.ts'

export type Printed = Extract<FromAgent, { type: 'log' }>

/** Workers of a job whose place is remembered: one that is older has ended long ago. */
const MAX_PLACES = 16
/** Of a key's number. */
const LINE_DIGITS = 16

interface Part {
  readonly firstLine: number
  readonly length: number
}

interface LogRecord {
  readonly places: readonly (readonly [workerId: string, place: LogPlace])[]
  /** Oldest first. */
  readonly parts: readonly Part[]
  readonly nextLine: number
}

export interface LogPage {
  readonly lines: LogLine[]
  readonly firstLine: number
  /** The line that will be kept next. */
  readonly nextLine: number
}

export class ProgramLogs {
  readonly #store: KeyValueStore
  readonly #nowMs: () => number
  /** Of those of which something is being written. */
  readonly #busy = new Map<string, { readonly queue: SerialQueue; tasks: number }>()

  /** `nowMs`: since 1970. */
  constructor(store: KeyValueStore, nowMs: () => number) {
    this.#store = store
    this.#nowMs = nowMs
  }

  /** Keeps what is new of it. Returns up to where the worker's file is known, which may be further than `printed` reaches. */
  append(workload: string, host: string, printed: Printed): Promise<LogPlace> {
    return this.#serially(workload, async () => {
      const { entry, record } = await this.#record(workload)
      const known = new Map(record.places).get(printed.workerId)
      const { texts, place } = newIn(printed, known)
      if (place === undefined) return known as LogPlace
      const atMs = this.#nowMs()
      const lines = texts.map((text, index) => ({ line: record.nextLine + index, host, atMs, text }))
      const { writes, parts } = await this.#partsWith(workload, record, lines)
      const others = record.places.filter(([workerId]) => workerId !== printed.workerId)
      const after: LogRecord = {
        places: [...others.slice(1 - MAX_PLACES), [printed.workerId, place]],
        parts,
        nextLine: record.nextLine + lines.length,
      }
      const revision = await this.#store.commit([
        ...writes,
        { key: keyOf(workload), value: encodeValue(after), expectedRevision: entry?.revision ?? ABSENT },
      ])
      if (revision === undefined) throw new Error(`the log of ${workload} changed under our hands`)
      return place
    })
  }

  /** From `fromLine` on, or from the first that is kept: as many as fit into a page. */
  async read(workload: string, fromLine = 0, limit: number = LIMITS.maxListed): Promise<LogPage> {
    const { record } = await this.#record(workload)
    const { nextLine } = record
    const firstLine = firstLineOf(record)
    const lines: LogLine[] = []
    let length = 0
    for (const part of partsFrom(record, fromLine)) {
      for (const line of await this.#lines(workload, part.firstLine)) {
        if (line.line < fromLine) continue
        length += costOf(line)
        if (lines.length >= limit || (lines.length > 0 && length > LIMITS.maxListedBytes / 2))
          return { lines, firstLine, nextLine }
        lines.push(line)
      }
    }
    return { lines, firstLine, nextLine }
  }

  /** The first of the latest `tail` lines. */
  async tailFrom(workload: string, tail: number): Promise<number> {
    const { record } = await this.#record(workload)
    return Math.max(firstLineOf(record), record.nextLine - tail)
  }

  /** Nothing of it is being written. */
  isQuiet(workload: string): boolean {
    return !this.#busy.has(workload)
  }

  forget(workload: string): Promise<void> {
    return this.#serially(workload, async () => {
      const { entry, record } = await this.#record(workload)
      if (entry === undefined) return
      const keys = [keyOf(workload), ...record.parts.map(({ firstLine }) => partKey(workload, firstLine))]
      await this.#store.commit(keys.map((key) => ({ key, value: undefined })))
    })
  }

  async #serially<T>(workload: string, task: () => Promise<T>): Promise<T> {
    const busy = this.#busy.get(workload) ?? { queue: new SerialQueue(), tasks: 0 }
    this.#busy.set(workload, busy)
    busy.tasks += 1
    try {
      return await busy.queue.run(task)
    } finally {
      busy.tasks -= 1
      if (busy.tasks === 0) this.#busy.delete(workload)
    }
  }

  async #record(workload: string) {
    const entry = await this.#store.get(keyOf(workload))
    const record: LogRecord =
      entry === undefined ? { places: [], parts: [], nextLine: 0 } : (decodeValue(entry.value) as LogRecord)
    return { entry, record }
  }

  async #lines(workload: string, firstLine: number): Promise<LogLine[]> {
    const entry = await this.#store.get(partKey(workload, firstLine))
    return entry === undefined ? [] : (decodeValue(entry.value) as LogLine[])
  }

  /** The newest part is written again until it is full; parts that are too many go. */
  async #partsWith(
    workload: string,
    record: LogRecord,
    lines: readonly LogLine[],
  ): Promise<{ writes: Write[]; parts: Part[] }> {
    const parts = [...record.parts]
    const changed = new Map<number, LogLine[]>()
    for (const line of lines) {
      let newest = parts.at(-1)
      if (newest === undefined || newest.length >= LIMITS.logPartLength) {
        newest = { firstLine: line.line, length: 0 }
        parts.push(newest)
        changed.set(line.line, [])
      }
      const { firstLine, length } = newest
      const held = changed.get(firstLine) ?? (await this.#lines(workload, firstLine))
      held.push(line)
      changed.set(firstLine, held)
      parts[parts.length - 1] = { firstLine, length: length + costOf(line) }
    }
    const kept = new Set(latest(parts))
    const gone = parts.filter((part) => !kept.has(part))
    const writes = [...changed]
      .filter(([first]) => !gone.some(({ firstLine }) => firstLine === first))
      .map(([first, held]): Write => ({ key: partKey(workload, first), value: encodeValue(held) }))
    const deletes = gone.map(
      ({ firstLine }): Write => ({ key: partKey(workload, firstLine), value: undefined }),
    )
    return { writes: [...writes, ...deletes], parts: [...kept] }
  }
}

/** The lines that are not known yet, and the place behind them; undefined where all of it is known. */
function newIn(
  { place, bytes }: Printed,
  known: LogPlace | undefined,
): { texts: string[]; place: LogPlace | undefined } {
  const from = { generation: place.generation, at: place.at }
  if (known !== undefined && known.generation > from.generation) return { texts: [], place: undefined }
  const knownAt = known?.generation === from.generation ? known.at : 0
  const end = from.at + bytes.length
  if (end <= knownAt && known?.generation === from.generation) return { texts: [], place: undefined }
  const fresh = bytes.subarray(Math.max(0, knownAt - from.at))
  const lost = from.at - knownAt
  const said = lost > 0 ? [`[godwit: ${lost} bytes of what was printed here were not kept]`] : []
  const texts = textsOf(fresh)
  return { texts: [...said, ...texts], place: { generation: from.generation, at: end } }
}

/** Bytes that are no UTF-8 are replaced, lines that are too long cut. */
function textsOf(bytes: Uint8Array): string[] {
  if (bytes.length === 0) return []
  const texts = new TextDecoder().decode(bytes).split('\n')
  if (texts.at(-1) === '') texts.pop()
  return texts.map((text) => {
    const line = text.endsWith('\r') ? text.slice(0, -1) : text
    if (line.length <= LIMITS.maxLogLineLength) return line
    const end = ` [godwit: ${line.length} characters, cut]`
    return `${line.slice(0, LIMITS.maxLogLineLength - end.length)}${end}`
  })
}

/** The newest that fit, one at least. */
function latest(parts: readonly Part[]): Part[] {
  let length = 0
  const first = parts.findLastIndex((part) => {
    length += part.length
    return length > LIMITS.maxLogLength
  })
  return parts.slice(Math.min(first + 1, parts.length - 1))
}

function partsFrom({ parts }: LogRecord, fromLine: number): readonly Part[] {
  const at = parts.findLastIndex(({ firstLine }) => firstLine <= fromLine)
  return parts.slice(Math.max(0, at))
}

function firstLineOf({ parts, nextLine }: LogRecord): number {
  return parts[0]?.firstLine ?? nextLine
}

function costOf({ text }: LogLine): number {
  return text.length + LIMITS.logLineCost
}

function keyOf(workload: string): string {
  return `log/${workload}`
}

function partKey(workload: string, firstLine: number): string {
  return `log-lines/${workload}/${String(firstLine).padStart(LINE_DIGITS, '0')}`
}
