/**
 * A worker for the agent's tests: keeps the contract of a worker process (its folder as argument, `launch.json`,
 * the socket, the messages, the exit codes) and trains nothing. How it behaves is in the launch's parameters:
 * `behaviour` is `crash-at-start`, `deaf`, `nonsense` (a message that is none comes first on each connection) or
 * `rubbish` (the first connection gets no message at all but text); `arenaBytes` and
 * `memoryBytes` are what it says its memory is.
 *
 * Further ones are `stranger` (it says that it was launched with another launch.json), `mute` (no hello ever comes) and
 * `talker` (it says `prepared` before its hello on the first connection).
 *
 * `forgetful` closes its first connection at `dial`, which it does not read; the next one is answered with `claim`.
 *
 * `acknowledge` is answered with the output of that step, `cancelMigration` by failing with its error.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Channel, listen } from '@godwit/channel'
import { type FromWorker, type ToWorker, toWorker, workerLaunch } from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import { LAST_WORDS } from './last-words.ts'

const folder = process.argv[2] as string
const launchFile = readFileSync(join(folder, 'launch.json'))
const launch = workerLaunch.parse(JSON.parse(launchFile.toString()))
const { behaviour, arenaBytes = 4096, memoryBytes } = launch.parameters

if (behaviour === 'crash-at-start') {
  console.error('the cat is on the keyboard')
  process.exit(3)
}

const hello: FromWorker = {
  type: 'hello',
  workerId: launch.workerId,
  workloadId: launch.workloadId,
  epoch: launch.epoch,
  launchDigest:
    behaviour === 'stranger' ? 'a'.repeat(64) : createHash('sha256').update(launchFile).digest('hex'),
}
const prepared: FromWorker = {
  type: 'prepared',
  identity: identityLike({ program: 'fake', arenaBytes: Number(arenaBytes) }),
  ...(memoryBytes === undefined ? {} : { memoryBytes: Number(memoryBytes) }),
}

let agent: Channel<ToWorker, FromWorker> | undefined
let rubbishSaid = false
let orphaned: NodeJS.Timeout | undefined

await listen({
  at: { unixPath: join(folder, 'worker.sock') },
  connected: (socket) => {
    const output = (step: number): FromWorker => ({
      type: 'outputs',
      outputs: [{ step, epoch: launch.epoch, loss: -0, stepMs: 1 }],
    })
    const exitAfterClose = (code: number) => {
      channel.close()
      socket.once('close', () => process.exit(code))
    }
    const channel = new Channel<ToWorker, FromWorker>(socket, toWorker, {
      message: (message) => {
        switch (message.type) {
          case 'acknowledge':
            return channel.send(output(message.step))
          case 'cancelMigration':
            channel.send({ type: 'failed', error: message.error })
            return exitAfterClose(1)
          case 'dial':
            if (behaviour === 'forgetful' && !rubbishSaid) {
              rubbishSaid = true
              return channel.close()
            }
            return channel.send({ type: 'claim', migrationId: message.migrationId, fromStep: 1 })
          case 'stop':
            if (behaviour === 'deaf') return
            for (let step = 0; step < LAST_WORDS; step++) channel.send(output(step))
            return exitAfterClose(0)
          default:
            return
        }
      },
      closed: () => {
        if (agent === channel) orphaned = setTimeout(() => process.exit(3), launch.orphanTimeoutMs)
      },
    })
    clearTimeout(orphaned)
    agent?.close()
    agent = channel
    if (behaviour === 'rubbish' && !rubbishSaid) {
      rubbishSaid = true
      socket.send('moo')
      return
    }
    if (behaviour === 'mute') return
    if (behaviour === 'talker' && !rubbishSaid) {
      rubbishSaid = true
      channel.send(prepared)
    }
    channel.send(hello)
    if (behaviour === 'nonsense') channel.send({ type: 'moo' } as unknown as FromWorker)
    channel.send(prepared)
  },
})
