/**
 * What `run` brings along: the program's file made into one that needs nothing around it, with the data that it reads, uploaded to the
 * coordinator as far as that lacks it. The program's `setup` runs in a child process, once, to see what it reads.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { readBundle, throughLosses, uploadBundle } from '@godwit/client'
import {
  type BundleRef,
  type ErrorReport,
  fromErrorReport,
  GodwitError,
  type Parameters,
  sayBytes,
} from '@godwit/protocol'
import type { Io } from '../io.ts'
import { renderBar } from '../render/progress.ts'
import { spawnRoom } from '../rooms.ts'
import type { Session } from '../session.ts'

export interface ToBundle {
  /** Absolute. */
  readonly file: string
  readonly parameters: Parameters
  /** As typed: `PATH`, or `NAME=PATH`. */
  readonly data: readonly string[]
}

interface Bundled {
  readonly program: string
  readonly files: Readonly<Record<string, string>>
}

/** What takes longer is shown. */
const QUIET_MS = 1000

/** Settles when the coordinator has all of it. Errors: those of the worker's `bundleProgram`, of reading and of uploading. */
export async function bringBundle(session: Session, toBundle: ToBundle): Promise<BundleRef> {
  const { io, json } = session
  const folder = mkdtempSync(join(tmpdir(), 'godwit-bundle-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    const show = json ? () => () => {} : (what: string) => bar(io, what)
    const bundled = await bundle(io, toBundle, folder)
    const local = await readBundle(bundled, show('reading'))
    await throughLosses(session, (client) => uploadBundle(client, local, show('uploading')))
    return local.ref
  } finally {
    remove()
    process.removeListener('exit', remove)
  }
}

function bar(io: Io, what: string): (doneBytes: number, bytes: number) => void {
  const startedMs = performance.now()
  return (doneBytes, bytes) => {
    if (performance.now() - startedMs < QUIET_MS) return
    io.live(`${what}  ${renderBar(doneBytes / bytes)}  ${sayBytes(doneBytes)} of ${sayBytes(bytes)}`)
  }
}

function bundle(io: Io, { file, parameters, data }: ToBundle, folder: string): Promise<Bundled> {
  const question = { programFile: file, parameters, data: dataByName(file, data), folder }
  // What a program prints in its setup is not our result.
  const child = spawnRoom('worker/bundle', [JSON.stringify(question)], { stdio: ['ignore', 2, 2, 'ipc'] })
  const end = () => child.kill()
  io.interrupted.addEventListener('abort', end)
  return new Promise<Bundled>((settle, reject) => {
    child.once('message', (said: { bundled: Bundled } | { error: ErrorReport }) => {
      if ('error' in said) reject(fromErrorReport(said.error))
      else settle(said.bundled)
    })
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(
        new GodwitError('program-failed', `${file} ended its process (${signal ?? `code ${code}`}) in setup`),
      ),
    )
  }).finally(() => io.interrupted.removeEventListener('abort', end))
}

/** What lies beside the program, or below, keeps its place; anything else is found by its own name. Errors: `bad-arguments`. */
export function dataByName(programFile: string, typed: readonly string[]): Record<string, string> {
  const named: Record<string, string> = {}
  for (const text of typed) {
    const [, given, path = text] = /^([^=/]+)=(.+)$/.exec(text) ?? []
    const absolute = resolve(path)
    const within = relative(dirname(programFile), absolute).split(sep).join('/')
    const isBelow = within !== '' && within !== '..' && !within.startsWith('../')
    const name = given ?? (isBelow ? within : basename(absolute))
    if (named[name] !== undefined && named[name] !== absolute)
      throw new GodwitError(
        'bad-arguments',
        `--data ${text}: ${name} is ${named[name]} already, give it another name with NAME=PATH`,
      )
    named[name] = absolute
  }
  return named
}
