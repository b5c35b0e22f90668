/**
 * A process of the simulated world: it has a clock of its own, can be stopped for a while, and can die at any point.
 *
 * The intuition: what a process does reaches the world only through here. One that has died may go on running the
 * turn in which it died, and nobody will ever know: nothing it sends leaves, no timer of it fires. One that is stopped
 * neither hears nor sends; its timers and what came for it wait, in either order, as they do for a real one.
 *
 * A *point* is a place between two things that a process does, named as in @godwit/channel's crash-point.ts; the world
 * is told of each, and may kill or stop the process there.
 */
import type { End } from './connection.ts'
import type { Random } from './random.ts'
import type { Timeline } from './timeline.ts'

/** Workers are told apart by what they are in the migration at hand. */
export type Role = 'coordinator' | 'agent' | 'worker'

/** What is at hand at a point: a fault may use it. */
export interface PointDetail {
  /** Where the process is about to send, or has. */
  readonly end?: End
  /** Does once more what is about to be done. */
  readonly again?: () => void
}

export interface ProcessWorld {
  readonly timeline: Timeline
  reached(process: Process, point: string, detail: PointDetail): void
}

export interface ProcessOptions {
  readonly name: string
  readonly role: Role
  /** The machine it runs on. */
  readonly node: string
  /** Its seconds in a real one. */
  readonly clockRate: number
  readonly clockOffsetMs: number
  readonly random: Random
}

export class Process {
  readonly name: string
  readonly role: Role
  readonly node: string
  readonly random: Random
  readonly #world: ProcessWorld
  readonly #rate: number
  readonly #offsetMs: number
  readonly #deaths: ((isSilent: boolean) => void)[] = []
  readonly #timersDue: (() => void)[] = []
  readonly #arrived: (() => void)[] = []
  readonly #unsent: (() => void)[] = []
  #alive = true
  #stops = 0

  constructor(world: ProcessWorld, options: ProcessOptions) {
    this.#world = world
    this.name = options.name
    this.role = options.role
    this.node = options.node
    this.random = options.random
    this.#rate = options.clockRate
    this.#offsetMs = options.clockOffsetMs
  }

  get isAlive(): boolean {
    return this.#alive
  }

  get isStopped(): boolean {
    return this.#stops > 0
  }

  /** Alive and doing something. */
  get runs(): boolean {
    return this.#alive && this.#stops === 0
  }

  /** As the process sees it. */
  nowMs(): number {
    return this.#offsetMs + this.#world.timeline.nowMs * this.#rate
  }

  /** A timer of its own, by its own clock. */
  after(delayMs: number, action: () => void): () => void {
    let isCancelled = false
    const run = (): void => {
      if (isCancelled || !this.#alive) return
      if (this.isStopped) this.#timersDue.push(run)
      else action()
    }
    const forget = this.#world.timeline.after(delayMs / this.#rate, run)
    return () => {
      isCancelled = true
      forget()
    }
  }

  /** Something that comes from outside. */
  hear(action: () => void): void {
    if (!this.#alive) return
    if (this.isStopped) this.#arrived.push(action)
    else action()
  }

  /** Something that leaves. */
  leave(action: () => void): void {
    if (!this.#alive) return
    if (this.isStopped) this.#unsent.push(action)
    else action()
  }

  point(name: string, detail: PointDetail = {}): void {
    if (this.runs) this.#world.reached(this, name, detail)
  }

  onDeath(listener: (isSilent: boolean) => void): void {
    this.#deaths.push(listener)
  }

  /** Silent: the machine went with it, so that nobody is told. */
  die(isSilent = false): void {
    if (!this.#alive) return
    this.#alive = false
    for (const listener of this.#deaths.splice(0)) listener(isSilent)
  }

  /** Stands still until what this returns is called. */
  stop(): () => void {
    this.#stops += 1
    return () => {
      this.#stops -= 1
      if (this.#stops === 0) this.#goOn()
    }
  }

  #goOn(): void {
    const [timers, arrived] = [this.#timersDue.splice(0), this.#arrived.splice(0)]
    const due = this.random.chance(0.5) ? [...timers, ...arrived] : [...arrived, ...timers]
    for (const action of [...this.#unsent.splice(0), ...due]) {
      if (!this.#alive) return
      // Stopped again meanwhile: the rest waits on.
      if (this.isStopped) this.#arrived.push(action)
      else action()
    }
  }
}
