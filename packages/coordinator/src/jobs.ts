/**
 * Which jobs there are, and the moves of theirs that are remembered: as inventory.ts of hosts. What belongs to one job is done by it
 * (workload.ts).
 *
 * Invariant: a name is given to one job at a time, and again only when nothing of the one before is left.
 */
import { isDeepStrictEqual } from 'node:util'
import { GodwitError, LIMITS, type MigrationView, makeWorkloadId } from '@godwit/protocol'
import { checkWorkloadId } from './names.ts'
import type { Workload } from './workload.ts'
import type { PlacedJob } from './workload-placed.ts'
import type { WorkloadSpec } from './workload-view.ts'

export class Jobs {
  readonly #workloads = new Map<string, Workload>()
  /** The oldest first. */
  readonly moves = new Map<string, MigrationView>()
  /** Those that are being forgotten: their names are not free yet. */
  readonly going = new Set<string>()

  all(): Workload[] {
    return [...this.#workloads.values()]
  }

  ids(): string[] {
    return [...this.#workloads.keys()]
  }

  get(id: string): Workload | undefined {
    return this.#workloads.get(id)
  }

  /** Errors: `unknown-workload`. */
  known(id: string): Workload {
    const workload = this.#workloads.get(id)
    if (workload === undefined) {
      throw new GodwitError(
        'unknown-workload',
        `there is no workload ${id}: \`godwit ps\` shows those there are`,
      )
    }
    return workload
  }

  add(workload: Workload): void {
    this.#workloads.set(workload.id, workload)
  }

  delete(id: string): void {
    this.#workloads.delete(id)
  }

  /** Of a job. */
  movesOf(id: string): MigrationView[] {
    return [...this.moves.values()].filter(({ workload }) => workload === id)
  }

  activeOn(host: string): Workload[] {
    return this.all().filter((workload) => workload.isActive && workload.host === host)
  }

  /** Those that are not over. */
  placed(isWanted: (workload: Workload) => boolean = () => true): PlacedJob[] {
    const placed: PlacedJob[] = []
    for (const workload of this.#workloads.values()) {
      const job = isWanted(workload) ? workload.placed() : undefined
      if (job !== undefined) placed.push(job)
    }
    return placed
  }

  /** The one that `asked` made when it was asked for before. One that came to nothing is asked for anew. */
  madeBy(asked: Omit<WorkloadSpec, 'id'>, id: string | undefined): Workload | undefined {
    const known = id === undefined ? undefined : this.#workloads.get(id)
    if (known === undefined || cameToNothing(known)) return undefined
    return isDeepStrictEqual({ ...known.spec }, { ...asked, id: known.id }) ? known : undefined
  }

  /** For one more job: `id`, or one that is made for its program. Errors: `too-large`, `bad-arguments` for one that is taken. */
  freeId(program: string, id: string | undefined): string {
    const live = this.all().filter(({ isActive }) => isActive).length
    if (live >= LIMITS.maxWorkloads)
      throw new GodwitError('too-large', `${LIMITS.maxWorkloads} workloads are under way, which is the limit`)
    if (id !== undefined && this.going.has(id))
      throw new GodwitError(
        'bad-arguments',
        `workload ${id} is being forgotten: its name is free in a moment`,
      )
    if (id === undefined) {
      for (;;) {
        const made = makeWorkloadId(program)
        if (!this.#workloads.has(made)) return made
      }
    }
    const known = this.#workloads.get(checkWorkloadId(id))
    if (known !== undefined && !cameToNothing(known)) {
      throw new GodwitError('bad-arguments', `there is a workload ${id} already: choose another id`)
    }
    return id
  }
}

/** It is over and never took a step: its name can be used again. */
function cameToNothing(workload: Workload): boolean {
  return !workload.isActive && workload.view().acceptedSteps === 0
}
