/**
 * `godwit run FILE`, what is to be brought to its host, as a process of its own:
 *
 *     node bundle.mjs QUESTION        a `Question` as JSON; answered over IPC by an `Answer`
 *
 * A child, because the program's `setup` runs here, which is somebody else's code: it says which files the program reads by reading them, and shows
 * before anything is uploaded that it runs without what lies around it.
 */
import { existsSync } from 'node:fs'
import { GodwitError, type Parameters, toErrorReport } from '@godwit/protocol'
import { register as registerCommonJs } from 'tsx/cjs/api'
import { register } from 'tsx/esm/api'
import { type Bundled, bundleProgram } from './program-bundle.ts'

export interface Question {
  /** Absolute. */
  readonly programFile: string
  readonly parameters: Parameters
  /** Files and folders by the name that they have beside the program. */
  readonly data: Readonly<Record<string, string>>
  /** An empty one, which the program is put into. */
  readonly folder: string
}

if (import.meta.url.endsWith('.mjs')) {
  registerCommonJs()
  register()
}

/** What it printed goes to stderr: nobody else looks at our stdout. */
async function main(text: string | undefined): Promise<void> {
  if (text === undefined || process.send === undefined)
    throw new GodwitError('bad-arguments', 'usage: bundle QUESTION, with an IPC channel')
  const question = JSON.parse(text) as Question
  if (!existsSync(question.programFile))
    throw new GodwitError('program-missing', `there is no file ${question.programFile}`)
  answer({ bundled: await bundleProgram(question) })
}

/** Ends the process once it is said: a program may have left timers behind. */
function answer(said: { bundled: Bundled } | { error: ReturnType<typeof toErrorReport> }): void {
  const end = (): void => process.exit('error' in said ? 1 : 0)
  if (process.send === undefined) end()
  else process.send(said, end)
}

process.on('uncaughtException', (error) => answer({ error: toErrorReport(error, 'program-failed') }))
process.on('unhandledRejection', (error) => answer({ error: toErrorReport(error, 'program-failed') }))
main(process.argv[2]).catch((error: unknown) => answer({ error: toErrorReport(error) }))
