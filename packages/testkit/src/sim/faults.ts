/** Carries out what a plan says goes wrong, and takes all of it back in the end. */
import type { Connection } from './connection.ts'
import type { Kind } from './network.ts'
import type { Fault, PointAction } from './plan.ts'
import { HOSTS } from './plan.ts'
import type { PointDetail, Process } from './process.ts'
import type { World } from './world.ts'

/** How often and how long a fault looks for a connection that it can break. */
const LOOK_MS = 70
const MOST_WAITED_MS = 20_000

/** A point counts as met when somebody dies, stands still or is cut off there. */
const ENDS_OR_STOPS: ReadonlySet<PointAction> = new Set(['crash', 'pause', 'part', 'powerCut'])

interface Armed {
  readonly fault: Fault
  passed: number
}

export class Faults {
  readonly #world: World
  readonly #undo = new Set<() => void>()
  /** By point: what is over when it is reached. */
  readonly #until = new Map<string, (() => void)[]>()
  #armed: Armed[] = []
  /** So many faults make messages to the coordinator come twice. */
  doubles = 0

  constructor(world: World) {
    this.#world = world
  }

  happen(fault: Fault, waitedMs = 0): void {
    if (this.#world.isHealing) return
    if (fault.kind === 'point') {
      this.#armed.push({ fault, passed: 0 })
      return
    }
    if (this.#carryOut(fault, waitedMs)) {
      this.#world.coverage.fault(fault.kind)
      this.#world.note(`fault: ${fault.kind} at ${fault.at} for ${Math.round(fault.forMs)} ms`)
    }
  }

  reached(process: Process, point: string, detail: PointDetail): void {
    for (const undo of this.#until.get(point) ?? []) undo()
    for (const armed of [...this.#armed]) {
      const { fault } = armed
      if (fault.point !== point || !process.runs) continue
      armed.passed += 1
      if (armed.passed !== fault.nth) continue
      this.#armed = this.#armed.filter((each) => each !== armed)
      this.#world.coverage.fault('point')
      if (ENDS_OR_STOPS.has(fault.action ?? 'crash')) this.#world.coverage.point(point)
      this.#world.note(`fault: ${process.name} ${fault.action}s at ${point}`)
      this.#act(fault, process, detail)
    }
  }

  #act(fault: Fault, process: Process, { end, again }: PointDetail): void {
    const { network, person, timeline } = this.#world
    switch (fault.action) {
      case 'pause':
        return this.#unless(fault, process.stop())
      case 'hold':
        if (end === undefined) throw new Error(`${fault.point} is no point at which something is sent`)
        return this.#unless(fault, network.hold(end))
      case 'double':
        if (again === undefined) throw new Error(`${fault.point} is no point at which something is heard`)
        return this.#unless(fault, () => timeline.after(0, () => process.hear(again)))
      case 'lose':
        return this.#lose()
      case 'unplug':
        for (const connection of this.#agentConnections(process.node)) connection.break([0.1, 0.1])
        return
      case 'part':
        return this.#part(process.node, fault.forMs)
      case 'fullDisk':
        return this.#unless(fault, this.#world.disk.fill())
      case 'slowDisk':
        return this.#unless(fault, this.#world.disk.slowDown())
      case 'enterMaintenance': {
        const { action: op, to: host } = fault
        timeline.after(0, () => person.do({ op, host, force: true, atMs: timeline.nowMs }))
        return
      }
      case 'cancel':
      case 'stop': {
        const { action: op, workload = '' } = fault
        timeline.after(0, () => person.do({ op, workload, atMs: timeline.nowMs }))
        return
      }
      case 'pauseMove':
      case 'resumeMove': {
        const op = fault.action === 'pauseMove' ? 'pause' : 'resume'
        const { workload = '' } = fault
        timeline.after(0, () => person.do({ op, workload, atMs: timeline.nowMs }))
        return
      }
      case 'unplugWorker':
        for (const connection of this.#connections('worker', process.node)) connection.break([0.1, 0.1])
        return
      case 'powerCut':
        if (!this.#powerCut(process.node)) process.die()
        return
      case 'crash':
      case undefined:
        return process.die()
    }
  }

  heal(): void {
    this.#armed = []
    for (const undo of [...this.#undo]) undo()
  }

  #carryOut(fault: Fault, waitedMs: number): boolean {
    const { network, disk } = this.#world
    switch (fault.kind) {
      case 'crash agent':
      case 'crash worker':
      case 'crash coordinator':
        return this.#kill(this.#processOf(fault))
      case 'crash machine':
        return this.#powerCut(fault.at)
      case 'pause agent':
      case 'pause worker':
      case 'pause coordinator': {
        const process = this.#processOf(fault)
        if (process?.isAlive !== true) return false
        this.#for(fault.forMs, process.stop())
        return true
      }
      case 'break agent':
      case 'break worker':
      case 'break control':
      case 'break bulk':
        return this.#break(fault, fault.kind.slice('break '.length) as Kind, waitedMs)
      case 'flap agent':
        return this.#flap(fault)
      case 'cut one way':
        this.#for(fault.forMs, network.cut(fault.at, fault.to))
        return fault.at !== fault.to
      case 'cut both ways':
        this.#for(fault.forMs, network.cut(fault.at, fault.to))
        this.#for(fault.forMs, network.cut(fault.to, fault.at))
        return fault.at !== fault.to
      case 'slow network':
        network.slow += 1
        this.#for(fault.forMs, () => {
          network.slow -= 1
        })
        return true
      case 'doubles':
        this.doubles += 1
        this.#for(fault.forMs, () => {
          this.doubles -= 1
        })
        return true
      case 'slow disk':
        this.#for(fault.forMs, disk.slowDown())
        return true
      case 'full disk':
        this.#for(fault.forMs, disk.fill())
        return true
      case 'point':
        return false
    }
  }

  /** Hosts that reach the coordinator, and not each other: each tells it the truth, and neither knows the other's. */
  #part(node: string, forMs: number): void {
    for (const host of HOSTS) {
      if (host === node) continue
      this.#for(forMs, this.#world.network.cut(node, host))
      this.#for(forMs, this.#world.network.cut(host, node))
    }
  }

  /** Both sides notice at once. */
  #lose(): void {
    for (const connection of this.#world.network.connections) {
      if (connection.kind === 'control') connection.break([0.1, 0.1])
    }
  }

  /** Takes `undo` back after so long, or when everything heals. Returns what does so before. */
  #for(forMs: number, undo: () => void): () => void {
    const once = (): void => {
      if (this.#undo.delete(once)) undo()
    }
    this.#undo.add(once)
    this.#world.timeline.after(forMs, once)
    return once
  }

  /** As `#for`, or when the point is reached. */
  #unless({ forMs, until }: Fault, undo: () => void): void {
    const once = this.#for(forMs, undo)
    if (until === undefined) return
    this.#until.set(until, [...(this.#until.get(until) ?? []), once])
  }

  #processOf({ kind, at, which }: Fault): Process | undefined {
    if (kind.endsWith('coordinator')) return this.#world.coordinator?.process
    const host = HOSTS.find((each) => each === at) ?? HOSTS[Math.floor(which * HOSTS.length)]
    if (kind.endsWith('agent')) return this.#world.agents.get(host as string)?.process
    const workers = this.#world.workersOn()
    return workers[Math.floor(which * workers.length)]?.process
  }

  #kill(process: Process | undefined): boolean {
    if (process?.isAlive !== true) return false
    process.die()
    return true
  }

  /** The machine goes down with all that runs there; its agent is started again by and by. */
  #powerCut(at: string): boolean {
    if (at === 'coordinator') return false
    for (const worker of this.#world.workersOn(at)) worker.process.die(true)
    this.#world.agents.get(at)?.process.die(true)
    return true
  }

  #break(fault: Fault, kind: Kind, waitedMs: number): boolean {
    const { which, forMs } = fault
    const open = [...this.#world.network.connections].filter((each) => each.kind === kind)
    const connection = open[Math.floor(which * open.length)]
    if (connection === undefined) {
      // Connections of migrations come and go: the next one will do.
      if ((kind === 'control' || kind === 'bulk') && waitedMs < MOST_WAITED_MS) {
        this.#world.timeline.after(LOOK_MS, () => {
          if (!this.#world.isHealing) this.happen(fault, waitedMs + LOOK_MS)
        })
      }
      return false
    }
    // One side knows at once, the other later, or only from the silence.
    const later = forMs > 2_000 ? undefined : forMs
    connection.break(which * 1000 - Math.floor(which * 1000) < 0.5 ? [1, later] : [later, 1])
    return true
  }

  #flap({ at, forMs }: Fault): boolean {
    for (let delayMs = 0; delayMs < Math.min(forMs, 6_000); delayMs += 700) {
      this.#world.timeline.after(delayMs, () => {
        if (this.#world.isHealing) return
        for (const connection of this.#agentConnections(at)) connection.break([1, 20])
      })
    }
    return this.#agentConnections(at).length > 0
  }

  /** Of an agent's host its own, of the coordinator's machine all. */
  #agentConnections(node: string): Connection[] {
    return this.#connections('agent', node)
  }

  #connections(wanted: Kind, node: string): Connection[] {
    return [...this.#world.network.connections].filter(
      ({ kind, ends }) => kind === wanted && ends.some(({ process }) => process.node === node),
    )
  }
}
