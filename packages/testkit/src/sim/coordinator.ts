/**
 * The coordinator in the simulation: the real Registry, with a simulated clock, store and door.
 *
 * The registry waits for its store with promises. Those are settled by the simulated disk, and after each thing that
 * may have made one go on the world lets all of them run before it goes on itself: so a run is the same each time.
 */
import { type Clock, Registry } from '@godwit/coordinator'
import {
  type FromAgent,
  GodwitError,
  LIMITS,
  PROTOCOL_VERSION,
  type ToAgent,
  type ToWorker,
  toErrorReport,
} from '@godwit/protocol'
import type { End } from './connection.ts'
import { type Disk, SimStore } from './disk.ts'
import type { Process } from './process.ts'
import type { World } from './world.ts'

type Log = Parameters<typeof Registry.open>[0]['log']
/** What an agent says in order to be answered, and says again: late doubles of it must do no harm. */
const REPEATED = new Set([
  'outputs',
  'claim',
  'recover',
  'migrationEnded',
  'prepared',
  'ended',
  'outgoingOpened',
])

export class SimCoordinator {
  readonly process: Process
  /** Undefined until it knows what an earlier one wrote down. */
  registry: Registry | undefined
  readonly #world: World

  constructor(world: World, process: Process, disk: Disk) {
    this.#world = world
    this.process = process
    const clock: Clock = {
      nowMs: () => process.nowMs(),
      calendarMs: () => world.timeline.nowMs,
      after: (delayMs, action) =>
        process.after(delayMs, () => {
          action()
          world.touched()
        }),
    }
    const store = new SimStore(disk, process, () => world.touched())
    world.touched()
    const entered = (state: string, event: string): void => world.coverage.cell('migration', state, event)
    // With few jobs: one is often in the way of another.
    const moveLimits = { out: 1, in: 1, link: 1, cluster: 1 }
    Registry.open({ store, log: this.#log(), clock, fatal: () => process.die(), moveLimits, entered }).then(
      (registry) => {
        if (!process.isAlive) return
        this.registry = registry
        world.network.listen(process, 'coordinator', (end) => this.#agentConnects(end, registry))
        world.person.followAll()
      },
      (error: unknown) => {
        if (!(error instanceof GodwitError)) world.bug(process, error)
        process.die()
      },
    )
  }

  #agentConnects(end: End, { agents, clusterId }: Registry): void {
    const link = {
      send: (message: ToAgent) => {
        if (message.type === 'toWorker') this.#decided(message.message)
        end.send(message)
      },
      end: (error: GodwitError) => end.close(toErrorReport(error)),
    }
    let host: string | undefined
    const giveUp = this.process.after(LIMITS.helloTimeoutMs, () => end.close())
    end.listen({
      message: (message: FromAgent) => {
        this.#world.touched()
        if (host !== undefined) return this.#hear(agents, host, message)
        giveUp()
        if (message.type !== 'register') return end.close()
        try {
          agents.registered(message, link)
        } catch (error) {
          if (!(error instanceof GodwitError)) this.#world.bug(this.process, error)
          end.send({ type: 'refused', error: toErrorReport(error) } satisfies ToAgent)
          return end.close()
        }
        host = message.name
        end.send({ type: 'registered', clusterId, version: PROTOCOL_VERSION } satisfies ToAgent)
        agents.reconcile(host, message.workers, message.checkpoints)
      },
      closed: () => {
        giveUp()
        if (host === undefined) return
        this.#world.touched()
        agents.disconnected(host, link)
      },
    })
  }

  /** Which ways of changing owners were met, and how they were answered: for the coverage. */
  #decided(message: ToWorker): void {
    const { coverage, decided } = this.#world
    if (message.type === 'resume') coverage.cell('ownership', 'restart', 'granted')
    if (message.type !== 'claimResult' && message.type !== 'recoverResult') return
    const { migrationId, granted, epoch } = message
    const what = message.type === 'claimResult' ? 'claim' : 'recover'
    const key = `${what} ${migrationId} ${epoch}`
    coverage.cell('ownership', what, granted ? (decided.has(key) ? 'granted again' : 'granted') : 'refused')
    if (granted) decided.add(key)
  }

  #hear(agents: Registry['agents'], host: string, message: FromAgent): void {
    switch (message.type) {
      case 'fromWorker': {
        const again = (): void => {
          this.#world.touched()
          agents.fromWorker(host, message)
        }
        this.process.point(`hears:${message.message.type}`, { again })
        agents.fromWorker(host, message)
        const lateMs = this.#world.doubleAfterMs()
        if (lateMs === undefined || !REPEATED.has(message.message.type)) return
        this.process.after(lateMs, again)
        return
      }
      case 'workerExited':
        return agents.workerExited(host, message)
      case 'about':
        return agents.isOfRelease(host, message.release)
      case 'fetching':
        return agents.fetching(host, message)
      case 'utilisation':
        return agents.utilised(host, message.utilisation)
      case 'register':
      case 'probeOpened':
      case 'linkProbed':
      case 'hostChecked':
        return
    }
  }

  /** What it calls an error is a bug, unless its disk is full. */
  #log(): Log {
    const ignore = (): void => {}
    const log = {
      child: () => log,
      debug: ignore,
      info: ignore,
      warn: (what: unknown, text?: string) => this.#world.trace(this.process, text ?? what),
      error: (what: { err?: unknown; kind?: unknown }) => {
        if (this.process.isAlive) this.#world.coordinatorError(this.process, what.err ?? what)
      },
    }
    return log as unknown as Log
  }
}
