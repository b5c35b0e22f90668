/**
 * One run of the command line: arguments in, an exit code out, every error said once.
 *
 * Exit codes: 0 done, 1 it could not be done, 2 the command line makes no sense, 128 and the signal's number when
 * the person or the system ended it.
 */
import { GodwitError, toErrorReport } from '@godwit/protocol'
import { CommanderError } from 'commander'
import { Interrupted, type Io } from './io.ts'
import { buildProgram } from './program.ts'
import { printJson } from './session.ts'

/** `args` without the executable and the script. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  let exitCode = 0
  const json = args.includes('--json')
  try {
    const program = buildProgram(io, (code) => {
      exitCode = code
    })
    if (args.length === 0) {
      program.outputHelp({ error: true })
      return 2
    }
    await program.parseAsync([...args], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof Interrupted) return error.exitCode
    if (error instanceof CommanderError) {
      // Help and version arrive here too. What is wrong has been said already.
      if (error.exitCode === 0) return 0
      if (json) printError(io, new GodwitError('bad-arguments', error.message.replace(/^error: /, '')))
      return 2
    }
    if (json) printError(io, error)
    io.err(`godwit: ${error instanceof GodwitError ? error.message : ((error as Error).stack ?? error)}`)
    return 1
  }
}

function printError(io: Io, error: unknown): void {
  const { kind, message } = toErrorReport(error)
  printJson(io, { error: { kind, message } })
}
