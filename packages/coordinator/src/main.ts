/**
 * The coordinator's process: flags in, one line on stdout once it listens, the log on stderr, and an orderly end on
 * SIGINT and SIGTERM. Agents and workers go on without it, and one that is started again on the same folder goes on with them.
 *
 * Without a folder nothing of it stays, so that two of them never meet by accident. What else can be done with a folder (`init` and
 * the like) stands in administration.ts.
 *
 * Exit codes: 0 after a signal, 1 with one line on stderr that says what is wrong and what to do.
 */
import { parseArgs } from 'node:util'
import { armCrashPoints } from '@godwit/channel'
import { GodwitError, LIMITS, parseBytes } from '@godwit/protocol'
import { pino } from 'pino'
import { administer, COMMANDS } from './administration.ts'
import { type Coordinator, DEFAULT_HOST, DEFAULT_PORT, startCoordinator } from './coordinator.ts'
import type { KeyValueStore } from './key-value.ts'
import { LmdbStore } from './lmdb-store.ts'
import type { MoveLimits } from './move-queue.ts'

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']
const USAGE = `usage: coordinator [--host ${DEFAULT_HOST}] [--port ${DEFAULT_PORT}] [--data-dir FOLDER] [--insecure] [--max-moves N] [--max-moves-out N] [--max-moves-in N] [--max-moves-link N] [--bundle-space 16GiB] [--log-level info], or coordinator ${COMMANDS.join('|')}`

interface Flags {
  host: string
  port: number
  dataDir: string | undefined
  insecure: boolean
  logLevel: string
  bundleSpaceBytes: number
  moveLimits: Partial<MoveLimits>
}

/** Of moves that are under way at once, by the flag that sets it. */
const MOVE_FLAGS = {
  'max-moves': 'cluster',
  'max-moves-out': 'out',
  'max-moves-in': 'in',
  'max-moves-link': 'link',
} as const satisfies Record<string, keyof MoveLimits>

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
  const { host = DEFAULT_HOST, 'data-dir': dataDir, insecure = false } = values
  return {
    ...{ host, port, dataDir, insecure, logLevel },
    bundleSpaceBytes:
      values['bundle-space'] === undefined
        ? LIMITS.defaultBundleSpaceBytes
        : parseBytes('--bundle-space', values['bundle-space']),
    moveLimits: moveLimitsIn(values),
  }
}

function moveLimitsIn(values: Values): Partial<MoveLimits> {
  const given = Object.entries(MOVE_FLAGS).flatMap(([flag, name]) => {
    const text = values[flag as keyof typeof MOVE_FLAGS]
    if (text === undefined) return []
    const most = Number(text)
    if (Number.isInteger(most) && most >= 1) return [[name, most] as const]
    throw new GodwitError('bad-arguments', `--${flag} ${text} is no number of moves: give 1 or more`)
  })
  return Object.fromEntries(given)
}

interface Values {
  host?: string
  port?: string
  'data-dir'?: string
  insecure?: boolean
  'log-level'?: string
  'bundle-space'?: string
  'max-moves'?: string
  'max-moves-out'?: string
  'max-moves-in'?: string
  'max-moves-link'?: string
  help?: boolean
}

function parsed(args: string[]): Values {
  const string = { type: 'string' } as const
  try {
    return parseArgs({
      args,
      options: {
        host: string,
        port: string,
        'data-dir': string,
        insecure: { type: 'boolean' },
        'log-level': string,
        'bundle-space': string,
        'max-moves': string,
        'max-moves-out': string,
        'max-moves-in': string,
        'max-moves-link': string,
        help: { type: 'boolean' },
      },
    }).values
  } catch (error) {
    throw new GodwitError('bad-arguments', `${(error as Error).message.split('\n')[0]} (${USAGE})`)
  }
}

async function main(): Promise<void> {
  armCrashPoints('coordinator')
  const args = process.argv.slice(2)
  if (await administer(args, console.log)) return
  const flags = parseFlags(args)
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
  let store: KeyValueStore | undefined
  let stopping = false
  const close = async (): Promise<void> => {
    await coordinator?.close()
    await store?.close()
    process.exit(0)
  }
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping')
    if (coordinator !== undefined) close().catch(fail)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)

  const { host, dataDir, insecure } = flags
  if (dataDir === undefined)
    log.warn('nothing of this coordinator survives it: give it a folder of its own with --data-dir')
  else store = await LmdbStore.open(dataDir)
  coordinator = await startCoordinator({
    host,
    port: flags.port,
    log,
    fatal: fail,
    insecure,
    moveLimits: flags.moveLimits,
    bundleSpaceBytes: flags.bundleSpaceBytes,
    ...(store !== undefined && { store }),
    ...(dataDir !== undefined && { folder: dataDir }),
  })
  if (stopping) await close()
  const { port, isSecured } = coordinator
  log.info({ host, port, isSecured }, 'listening')
  console.log(JSON.stringify({ listening: { host, port } }))
}

function fail(error: unknown): void {
  const message = error instanceof GodwitError ? error.message : ((error as Error).stack ?? String(error))
  process.stderr.write(`godwit coordinator: ${message}\n`)
  process.exit(1)
}

main().catch(fail)
