/** Which host a job gets, of those that there are now: what placement.ts decides, asked with what the coordinator knows. */
import type { PlacementRules, Reply, Verdict } from '@godwit/protocol'
import { factsOfHost } from './host-view.ts'
import type { Inventory } from './inventory.ts'
import { checkJobRules, rulesOf } from './job-rules.ts'
import type { Jobs } from './jobs.ts'
import type { MigrationPlan } from './migration-state.ts'
import { askedFor, checkHost, chosenOf, type HostFacts, type JobFacts, place } from './placement.ts'
import type { Workload } from './workload.ts'

export class Placing {
  readonly #inventory: Inventory
  readonly #jobs: Jobs

  constructor(inventory: Inventory, jobs: Jobs) {
    this.#inventory = inventory
    this.#jobs = jobs
  }

  hosts(): HostFacts[] {
    return this.#inventory.hosts().map((host) => factsOfHost(host, this.#inventory))
  }

  /** On the host that was asked for, or the best one; why, if that is asked too. Errors: those of `receivingHost` and `chosenOf`. */
  place(
    job: JobFacts,
    asked: string | undefined,
    explain: boolean | undefined,
  ): { chosen: string; placement: { placement?: Verdict[] } } {
    if (asked !== undefined) {
      const host = factsOfHost(this.#inventory.receivingHost(asked), this.#inventory)
      checkHost(host, job, this.#jobs.placed(concerning(job, asked)))
      // Nobody wants to know what the other hosts are like: with a thousand of them that is most of the work.
      if (explain !== true) return { chosen: asked, placement: {} }
    }
    const placement = place(job, this.hosts(), this.#jobs.placed())
    const verdicts = asked === undefined ? placement.verdicts : askedFor(asked, placement.verdicts)
    return {
      chosen: asked ?? chosenOf(placement, job.id),
      placement: explain === true ? { placement: [...verdicts] } : {},
    }
  }

  /** Of a move whose turn has come. Errors: those of `receivingHost` and `chosenOf`. */
  destination({ workload, to, isChosen }: MigrationPlan): string {
    const job = this.#jobs.known(workload).placed()
    if (job === undefined) return to
    const jobs = this.#jobs.placed()
    if (isChosen !== true) {
      checkHost(factsOfHost(this.#inventory.receivingHost(to), this.#inventory), job, jobs)
      return to
    }
    const placement = place(job, this.hosts(), jobs)
    const isPossible = placement.verdicts.some(({ host, verdict }) => host === to && verdict !== 'refused')
    return isPossible ? to : chosenOf(placement, workload)
  }

  /** Errors: those of `checkJobRules`. */
  checkRules(id: string, rules: PlacementRules): void {
    checkJobRules(id, rules, { job: (named) => this.#jobs.known(named).placed() })
  }

  /** The rules of a job, and what breaks them. Errors: `unknown-workload`. */
  rulesOf(id: string): Reply<'rules'> {
    const workload = this.#jobs.known(id)
    const job = workload.placed()
    if (job === undefined) return { rules: workload.view().rules ?? {}, broken: [] }
    return rulesOf(job, { hosts: () => this.hosts(), jobs: () => this.#jobs.placed() })
  }
}

/** Whoever may stand in its way on one host: those that are there or on their way, and those that it must be with. */
function concerning({ rules }: JobFacts, host: string): (workload: Workload) => boolean {
  return (workload) => workload.isAt(host) || rules.with?.includes(workload.id) === true
}
