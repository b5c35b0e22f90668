/**
 * `godwit run PROGRAM --check`, as a process of its own:
 *
 *     node check.mjs PROGRAM [PARAMETERS AS JSON] [--json]
 *
 * PROGRAM is a file, or the name of a program that comes with Godwit. Exit code 0 when nothing fails (warnings don't
 * count), 1 when something does, 2 when the command line makes no sense. A child, because what it runs is somebody
 * else's code: it may print, throw where nobody catches, or leave timers behind, and the exit code still holds.
 *
 * The author's mistakes are findings, with their line where it is known; a stack trace would be ours.
 */
import { Console } from 'node:console'
import { existsSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkMessage, GodwitError, launch, type Parameters } from '@godwit/protocol'
import { register as registerCommonJs } from 'tsx/cjs/api'
import { register } from 'tsx/esm/api'
import { authorsLine, CHECKS, type Finding, type Listener, placeOf } from './check-findings.ts'
import { checkProgram } from './check-program.ts'

const USAGE = 'usage: check PROGRAM [PARAMETERS AS JSON] [--json]'
const SIGNS = { passed: '✓', warning: '!', failed: '✗', skipped: '–' } as const
const NAME_WIDTH = Math.max(...CHECKS.map((check) => check.length))

interface Arguments {
  readonly programFile: string
  readonly parameters: Parameters
  readonly json: boolean
}

function readArguments(args: readonly string[]): Arguments {
  const [program, parameters = '{}', ...rest] = args.filter((arg) => arg !== '--json')
  if (program === undefined || rest.length > 0) throw new GodwitError('bad-arguments', USAGE)
  return {
    programFile: findProgram(program),
    parameters: readParameters(parameters),
    json: args.includes('--json'),
  }
}

function findProgram(program: string): string {
  const file = resolve(program)
  if (existsSync(file)) return realpathSync(file)
  const builtIn = /^[\w.-]+$/.test(program) ? builtInProgram(program) : undefined
  if (builtIn !== undefined && existsSync(builtIn)) return realpathSync(builtIn)
  throw new GodwitError(
    'program-missing',
    `there is no program ${program}: give its file, or the name of one that comes with Godwit`,
  )
}

function builtInProgram(name: string): string | undefined {
  try {
    return fileURLToPath(import.meta.resolve(`@godwit/trainer/programs/${name}`))
  } catch {
    return undefined
  }
}

function readParameters(text: string): Parameters {
  try {
    return checkMessage(launch.shape.parameters, JSON.parse(text))
  } catch (error) {
    throw new GodwitError(
      'bad-arguments',
      `the parameters must be a JSON object like {"seed": 1}: ${(error as Error).message}`,
    )
  }
}

/** What is under way stands in the last line of a terminal, and is written over. */
function humanListener(): Listener {
  const { stdout } = process
  const clear = stdout.isTTY ? '\r\u001b[2K' : ''
  return {
    progress: (check, doing) => {
      if (stdout.isTTY) stdout.write(`${clear}… ${check.padEnd(NAME_WIDTH)}  ${doing}`)
    },
    finding: (finding) => stdout.write(`${clear}${lineOf(finding)}\n`),
  }
}

function lineOf({ check, status, message, where }: Finding): string {
  const at = where === undefined ? '' : `\n  ${' '.repeat(NAME_WIDTH)}  at ${where}`
  return `${SIGNS[status]} ${check.padEnd(NAME_WIDTH)}  ${message}${at}`
}

function summary(findings: readonly Finding[]): string {
  const count = (status: Finding['status']): number =>
    findings.filter((finding) => finding.status === status).length
  const [failed, warnings, skipped] = [count('failed'), count('warning'), count('skipped')]
  const counts = [
    `${count('passed')} passed`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    ...(warnings === 0 ? [] : [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`]),
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
  ].join(', ')
  return failed === 0
    ? `\n${counts}: this program can move.`
    : `\n${counts}: this program would not survive a move. Mend what failed and check again.`
}

/** Ends the process once everything is written. */
function exit(code: number): void {
  process.stdout.write('', () => process.exit(code))
}

/** What the program threw where nobody could catch it: in a timer, or a promise that nobody waits for. */
function exitOnStray(programFile: string): void {
  const stray = (error: unknown): void => {
    const where = authorsLine(error, programFile)
    const said = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    console.error(
      `\n✗ the program threw outside of a step: ${said}${where === undefined ? '' : `\n  at ${where}`}`,
    )
    process.exit(1)
  }
  process.on('uncaughtException', stray)
  process.on('unhandledRejection', stray)
}

async function main({ programFile, parameters, json }: Arguments): Promise<void> {
  exitOnStray(programFile)
  // What the program prints must not end up in the middle of JSON.
  if (json) globalThis.console = new Console(process.stderr, process.stderr)
  else process.stdout.write(`Checking ${placeOf(programFile)}\n\n`)
  const quiet: Listener = { progress: () => {}, finding: () => {} }
  const findings = await checkProgram(programFile, parameters, json ? quiet : humanListener())
  const ok = findings.every((finding) => finding.ok)
  process.stdout.write(
    json ? `${JSON.stringify({ program: programFile, ok, findings })}\n` : `${summary(findings)}\n`,
  )
  exit(ok ? 0 : 1)
}

// What is built is started without a loader for TypeScript, and programs are TypeScript.
if (import.meta.url.endsWith('.mjs')) {
  registerCommonJs()
  register()
}

let asked: Arguments | undefined
try {
  asked = readArguments(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof GodwitError ? error.message : error)
  exit(2)
}
if (asked !== undefined) await main(asked)
