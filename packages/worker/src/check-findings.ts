/**
 * What a check has to say: one finding for each rule of the contract, and what to do about it.
 *
 * A rule that is broken breaks others with it (a step that draws at random also fails to repeat), and a list of eight
 * complaints about one line helps nobody. So each check names the checks that it builds on, and is skipped, and says
 * so, while one of them fails: what is reported as failed is the cause.
 *
 * Invariant: a check has one finding; one that it builds on has its own before.
 */
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GodwitError } from '@godwit/protocol'

/** In the order in which they are looked at. */
export const CHECKS = [
  'module',
  'code',
  'setup',
  'init',
  'small-state',
  'steps',
  'delta',
  'loss',
  'compute-writes',
  'compute-repeats',
  'apply-repeats',
  'run-repeats',
  'notice',
  'layout',
  'resume',
] as const
export type CheckName = (typeof CHECKS)[number]

export type FindingStatus = 'passed' | 'warning' | 'failed' | 'skipped'

export interface Finding {
  readonly check: CheckName
  /** False only for `failed`: warnings and skipped checks don't keep a program from moving. */
  readonly ok: boolean
  readonly status: FindingStatus
  /** What was seen, and for a failure what to do. */
  readonly message: string
  /** The author's line that threw, as `path:line`. */
  readonly where?: string
}

/** The program breaks `check`; `message` says how, and what to do. */
export class Broken extends Error {
  readonly check: CheckName
  constructor(check: CheckName, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.check = check
  }
}

/** Said instead of `passed` by a check that has found something doubtful, or nothing to look at. */
export interface Remark {
  readonly status: 'warning' | 'skipped'
  readonly message: string
}

export interface Listener {
  /** A check has begun, or has got further. */
  progress(check: CheckName, doing: string): void
  finding(finding: Finding): void
}

export class Checklist {
  readonly findings: Finding[] = []
  readonly #programFile: string
  readonly #listener: Listener
  readonly #blockedBy = new Map<CheckName, CheckName>()

  constructor(programFile: string, listener: Listener) {
    this.#programFile = programFile
    this.#listener = listener
  }

  get ok(): boolean {
    return this.findings.every((finding) => finding.ok)
  }

  progress(check: CheckName, doing: string): void {
    this.#listener.progress(check, doing)
  }

  /**
   * Looks at one rule: `body` returns what it saw or throws what is wrong, a `Broken` or a GodwitError. Skipped while
   * a check in `needs` has failed, or was skipped for that.
   */
  async run(
    check: CheckName,
    needs: readonly CheckName[],
    body: () => Promise<string | Remark> | string | Remark,
  ): Promise<void> {
    const blocker = this.#blocker(needs)
    if (blocker !== undefined) {
      this.#blockedBy.set(check, blocker)
      this.#add({
        check,
        ok: true,
        status: 'skipped',
        message: `not looked at: ${blocker} has to pass first`,
      })
      return
    }
    try {
      const seen = await body()
      if (typeof seen === 'string') this.#add({ check, ok: true, status: 'passed', message: seen })
      else this.#add({ check, ok: true, ...seen })
    } catch (error) {
      if (!(error instanceof Broken) && !(error instanceof GodwitError)) throw error
      const where = authorsLine(error, this.#programFile)
      const message = error.message
      this.#add({ check, ok: false, status: 'failed', message, ...(where === undefined ? {} : { where }) })
    }
  }

  /** The failed check that stands in the way, directly or behind one that was skipped for it. */
  #blocker(needs: readonly CheckName[]): CheckName | undefined {
    for (const need of needs) {
      const finding = this.findings.find(({ check }) => check === need)
      if (finding === undefined) throw new Error(`bug: ${need} is needed before it was looked at`)
      if (!finding.ok) return need
      const behind = this.#blockedBy.get(need)
      if (behind !== undefined) return behind
    }
    return undefined
  }

  #add(finding: Finding): void {
    this.findings.push(finding)
    this.#listener.finding(finding)
  }
}

const OWN_FOLDERS = ['@godwit/memory', '@godwit/protocol'].map((room) =>
  dirname(fileURLToPath(import.meta.resolve(room))),
)

/**
 * Where the author's code stood when it threw, as `path:line`, from the deepest cause that has such a line: the first
 * frame that is neither Node's, nor a package's, nor ours.
 */
export function authorsLine(error: unknown, programFile: string): string | undefined {
  let found: string | undefined
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    for (const [, file = '', line] of (cause.stack ?? '').matchAll(
      /^\s+at .*?((?:file:\/\/)?\/[^()\n]+?):(\d+):\d+\)?$/gm,
    )) {
      const path = file.startsWith('file://') ? fileURLToPath(file) : file
      if (!isAuthors(path, programFile)) continue
      found = `${placeOf(path)}:${line}`
      break
    }
  }
  return found
}

function isAuthors(path: string, programFile: string): boolean {
  if (path === programFile) return true
  if (path.includes('/node_modules/') || dirname(path) === import.meta.dirname) return false
  return !OWN_FOLDERS.includes(dirname(path))
}

/** A path as a person at this terminal would write it. */
export function placeOf(path: string): string {
  const fromHere = relative(process.cwd(), resolve(path))
  return fromHere.startsWith('..') ? path : fromHere
}
