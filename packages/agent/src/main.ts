/**
 * The agent's process: flags in, one line on stdout once the coordinator has accepted the host, the log on stderr,
 * and an orderly end on SIGINT and SIGTERM that takes the workers along. SIGUSR2 ends the agent alone.
 *
 * Exit codes: 0 after a signal, 1 with one line on stderr that says what is wrong and what to do.
 */
import { armCrashPoints } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'
import { pino } from 'pino'
import { type Agent, startAgent } from './agent.ts'
import { parseFlags, USAGE } from './flags.ts'

async function main(): Promise<void> {
  armCrashPoints('agent')
  const flags = parseFlags(process.argv.slice(2), process.env)
  if (flags === undefined) {
    console.log(USAGE)
    return
  }
  // Whoever reads our output may go away; that is no reason to end workers that train.
  process.stdout.on('error', () => {})
  const destination = pino.destination({ dest: 2, sync: true })
  destination.on('error', () => {})
  const log = pino({ name: 'agent', level: flags.logLevel }, destination)

  let agent: Agent | undefined
  let stopping = false
  const stop = (signal: NodeJS.Signals) => {
    if (stopping) return
    stopping = true
    log.info({ signal, workers: agent?.workers.ids().length ?? 0 }, 'stopping')
    const ended = agent === undefined ? Promise.resolve() : agent.stop()
    ended.then(() => process.exit(0), fail)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)

  // Its workers go on for whoever works in the folder next: a newer release, most often.
  process.on('SIGUSR2', () => {
    if (stopping) return
    log.info({ workers: agent?.workers.ids() }, 'leaving the workers to the next agent')
    process.exit(0)
  })

  agent = await startAgent(flags, log)
  await agent.registered
  console.log(JSON.stringify({ registered: { name: flags.name } }))
}

function fail(error: unknown): void {
  const message = error instanceof GodwitError ? error.message : ((error as Error).stack ?? String(error))
  process.stderr.write(`godwit agent: ${message}\n`)
  process.exit(1)
}

main().catch(fail)
