/**
 * The coordinator's process: flags in, one line on stdout once it listens, the log on stderr, and an orderly end on
 * SIGINT and SIGTERM. Agents and workers go on without it.
 *
 * Exit codes: 0 after a signal, 1 with one line on stderr that says what is wrong and what to do.
 */
import { parseArgs } from 'node:util'
import { armCrashPoints } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'
import { pino } from 'pino'
import { type Coordinator, DEFAULT_HOST, DEFAULT_PORT, startCoordinator } from './coordinator.ts'

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
const USAGE = `usage: coordinator [--host ${DEFAULT_HOST}] [--port ${DEFAULT_PORT}] [--log-level info]`

interface Flags {
  host: string
  port: number
  logLevel: string
}

/** Undefined when help was asked for. Errors: `bad-arguments`. */
function parseFlags(args: string[]): Flags | undefined {
  const values = parsed(args)
  if (values.help === true) return undefined
  const port = Number(values.port ?? DEFAULT_PORT)
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new GodwitError('bad-arguments', `--port ${values.port} is no port: give a number from 0 to 65535`)
  }
  const logLevel = values['log-level'] ?? 'info'
  if (!LOG_LEVELS.includes(logLevel)) {
    throw new GodwitError('bad-arguments', `--log-level ${logLevel} is none of ${LOG_LEVELS.join(', ')}`)
  }
  return { host: values.host ?? DEFAULT_HOST, port, logLevel }
}

function parsed(args: string[]): { host?: string; port?: string; 'log-level'?: string; help?: boolean } {
  const string = { type: 'string' } as const
  try {
    return parseArgs({
      args,
      options: { host: string, port: string, 'log-level': string, help: { type: 'boolean' } },
    }).values
  } catch (error) {
    throw new GodwitError('bad-arguments', `${(error as Error).message.split('\n')[0]} (${USAGE})`)
  }
}

async function main(): Promise<void> {
  armCrashPoints('coordinator')
  const flags = parseFlags(process.argv.slice(2))
  if (flags === undefined) {
    console.log(USAGE)
    return
  }
  // Whoever reads our output may go away; that is no reason to leave the agents alone.
  process.stdout.on('error', () => {})
  const destination = pino.destination({ dest: 2, sync: true })
  destination.on('error', () => {})
  const log = pino({ name: 'coordinator', level: flags.logLevel }, destination)

  let coordinator: Coordinator | undefined
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping')
    coordinator?.close().then(() => process.exit(0), fail)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)

  coordinator = await startCoordinator({ host: flags.host, port: flags.port, log })
  if (stopping) {
    await coordinator.close()
    process.exit(0)
  }
  const { host } = flags
  const { port } = coordinator
  log.info({ host, port }, 'listening')
  console.log(JSON.stringify({ listening: { host, port } }))
}

function fail(error: unknown): void {
  const message = error instanceof GodwitError ? error.message : ((error as Error).stack ?? String(error))
  process.stderr.write(`godwit coordinator: ${message}\n`)
  process.exit(1)
}

main().catch(fail)
