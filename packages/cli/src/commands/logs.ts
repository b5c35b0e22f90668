/** `logs`: what a job's program prints. Lines go to stdout, and on which host they were printed, where that changes, to stderr. */
import { throughLosses } from '@godwit/client'
import type { LogLine } from '@godwit/protocol'
import { renderPrinted } from '../render/printed.ts'
import { printJson, type Session } from '../session.ts'

export interface LogsOptions {
  tail?: number
  follow?: boolean
}

export async function logs(session: Session, workload: string, options: LogsOptions): Promise<number> {
  const view = new LogView(session)
  if (options.follow === true) await followed(session, workload, { view, tail: options.tail })
  else await shown(session, workload, { view, tail: options.tail })
  return 0
}

interface Shown {
  readonly view: LogView
  readonly tail: number | undefined
}

/** Page by page: all that there was when it was asked for. */
async function shown({ client }: Session, workload: string, { view, tail }: Shown): Promise<void> {
  let where: { tail?: number; fromLine?: number } = tail === undefined ? {} : { tail }
  for (;;) {
    const { lines, next } = await client.request({ op: 'logs', workload, ...where })
    view.show(lines)
    if (next === undefined) return
    where = { fromLine: next }
  }
}

/** Settles when the job is over. With another connection it goes on behind the line that was shown last. */
async function followed(session: Session, workload: string, { view, tail }: Shown): Promise<void> {
  await throughLosses(session, async (client) => {
    let over: () => void = () => {}
    const isOver = new Promise<void>((resolve) => {
      over = resolve
    })
    const unlisten = client.listen((id, event) => {
      if (id !== workload || event.kind !== 'logs') return
      view.show(event.lines)
      if (event.isOver) over()
    })
    try {
      const { nextLine } = view
      const begin = tail === undefined ? {} : { tail }
      const where = nextLine === undefined ? begin : { fromLine: nextLine }
      const { fromLine } = await client.request({ op: 'followLogs', workload, ...where })
      view.nextLine ??= fromLine
      await isOver
    } finally {
      unlisten()
    }
  })
}

class LogView {
  /** Undefined before anything is known. */
  nextLine: number | undefined
  readonly #session: Session
  #host: string | undefined

  constructor(session: Session) {
    this.#session = session
  }

  show(lines: readonly LogLine[]): void {
    const { io, json } = this.#session
    for (const line of lines) {
      if (line.line < (this.nextLine ?? 0)) continue
      const lost = line.line - (this.nextLine ?? line.line)
      if (lost > 0) io.err(`${lost} lines are kept no more`)
      this.nextLine = line.line + 1
      if (json) printJson(io, line)
      else {
        if (this.#host !== undefined && line.host !== this.#host) io.err(`on ${line.host}:`)
        io.out(renderPrinted(line.text))
      }
      this.#host = line.host
    }
  }
}
