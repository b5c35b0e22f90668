/**
 * The worker process: `main.ts FOLDER`, where FOLDER holds launch.json. It listens on FOLDER/worker.sock for its
 * agent, and ends itself when none has been connected for too long, so that nothing is left behind for ever.
 *
 * It is detached: an agent that dies leaves it training, and a newer agent finds it by its socket.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { armCrashPoints, Channel, listen } from '@godwit/channel'
import {
  checkMessage,
  type FromWorker,
  LIMITS,
  type ToWorker,
  tolerant,
  toWorker,
  workerLaunch,
} from '@godwit/protocol'
import { Pager } from './pager.ts'

// A scavenge that is shared out waits for helper threads, which wait for a core: 10 to 20 ms instead of one, where cores are busy.
setFlagsFromString('--no-parallel-scavenge')

armCrashPoints('worker')
const folder = process.argv[2]
if (folder === undefined) {
  console.error('usage: main.ts FOLDER, with a launch.json in it')
  process.exit(2)
}
const launchBytes = readFileSync(join(folder, 'launch.json'))
const launchDigest = createHash('sha256').update(launchBytes).digest('hex')
const launch = checkMessage(workerLaunch, JSON.parse(launchBytes.toString()))
const { workerId, workloadId } = launch

let agent: Channel<ToWorker | null, FromWorker> | undefined
let orphaned: NodeJS.Timeout | undefined
let exitCode: number | undefined
/** What was said while no agent listened, ... */
const unsaid: FromWorker[] = []
/** ... except for outputs, which the spool keeps, and that of which there is soon a newer one. */
const NOT_KEPT: ReadonlySet<FromWorker['type']> = new Set(['outputs', 'migrationProgress', 'pages'])

function tell(message: FromWorker): void {
  if (agent?.isOpen === true) agent.send(message)
  else if (!NOT_KEPT.has(message.type)) unsaid.push(message)
}

function waitForAgent(): void {
  orphaned = setTimeout(() => {
    console.error(`no agent for ${launch.orphanTimeoutMs} ms: this worker ends`)
    process.exit(3)
  }, launch.orphanTimeoutMs)
}

/** Ends once what was said has gone out: to an agent that connects within the grace, if there is none now. */
function exit(code: number): void {
  if (exitCode !== undefined) return
  exitCode = code
  setTimeout(() => process.exit(code), LIMITS.stopGraceMs)
  if (agent?.isOpen === true) agent.close(() => process.exit(code))
}

// Armed before anybody can connect: the first connection disarms it.
waitForAgent()
const pager = new Pager(launch, { tell, exit })

await listen({
  at: { unixPath: join(folder, 'worker.sock') },
  connected: (socket) => {
    const channel = new Channel<ToWorker | null, FromWorker>(socket, tolerant(toWorker), {
      message: (message) => {
        if (message !== null) pager.fromAgent(message)
      },
      closed: () => {
        if (agent === channel && exitCode === undefined) waitForAgent()
      },
    })
    // The newest agent is spoken to. An older connection is left to whoever opened it: what is still on its way on it counts.
    agent = channel
    clearTimeout(orphaned)
    channel.send({ type: 'hello', workerId, workloadId, epoch: pager.epoch, launchDigest })
    pager.agentConnected()
    for (const message of unsaid.splice(0)) tell(message)
    const code = exitCode
    if (code !== undefined) channel.close(() => process.exit(code))
  },
})
