/**
 * The facts for preflight.ts: what the coordinator knows at once, and what hosts and workers are asked for.
 *
 * Nobody is asked more than must be, and not at the same time, since one measure would disturb the other: first both hosts what they have, then
 * the job is tried at the target, then the link is measured and the job watched. An answer that does not come is a fact as well.
 *
 * Invariant: nothing is written down, nothing moves, and nothing that was started is left.
 */
import {
  type ClientRequest,
  GodwitError,
  type MigrationOptions,
  type PreflightCheck,
  type PreflightView,
  toErrorReport,
  type Verdict,
} from '@godwit/protocol'
import type { Clock } from './clock.ts'
import type { Estimates } from './estimates.ts'
import { factsOfHost } from './host-view.ts'
import type { Inventory } from './inventory.ts'
import type { QueuedMove } from './move-queue.ts'
import { makeWorkerId } from './names.ts'
import { askedFor, chosenOf, type HostFacts, place, refusalsAt } from './placement.ts'
import { type Asked, type PreflightFacts, preflight } from './preflight.ts'
import { Rehearsals } from './preflight-rehearsals.ts'
import type { Workload } from './workload.ts'
import { alreadyThere } from './workload-moves.ts'
import type { PlacedJob } from './workload-placed.ts'
import { launchOf } from './workload-workers.ts'

export interface PreflightEdge {
  readonly inventory: Inventory
  readonly clock: Clock
  readonly estimates: Estimates
  workload(id: string): Workload
  hosts(): HostFacts[]
  jobs(): PlacedJob[]
  wouldWait(move: QueuedMove): { readonly place: number; readonly reason: string } | undefined
}

type Request = Omit<Extract<ClientRequest, { op: 'preflight' }>, 'op'>

export class Preflights {
  /** Told of what workers say. */
  readonly rehearsals: Rehearsals
  readonly #edge: PreflightEdge

  constructor(edge: PreflightEdge) {
    this.#edge = edge
    this.rehearsals = new Rehearsals(edge.inventory, edge.clock)
  }

  /** Errors: `unknown-workload`, `unknown-host`. */
  async look({ workload: id, to: asked, options, explain }: Request): Promise<{
    preflight: PreflightView
    placement?: Verdict[]
  }> {
    const { inventory } = this.#edge
    if (asked !== undefined) inventory.knownHost(asked)
    const workload = this.#edge.workload(id)
    const view = { workload: id, from: workload.host, ...(asked === undefined ? {} : { to: asked }) }
    const job = workload.placed()
    if (job === undefined) {
      const over = refusalOf(() => workload.wayTo(asked ?? workload.host)) ?? `${id} is over`
      return { preflight: { ...view, checks: [blocker('job', over, `godwit describe ${id}`)] } }
    }
    const placement =
      asked === undefined || explain === true ? place(job, this.#edge.hosts(), this.#edge.jobs()) : undefined
    const verdicts = placement?.verdicts ?? []
    const why =
      explain === true ? { placement: asked === undefined ? [...verdicts] : askedFor(asked, verdicts) } : {}
    const to = asked ?? placement?.chosen
    if (to === undefined) {
      const nowhere = placement && refusalOf(() => chosenOf(placement, id))
      const checks = [
        ...(job.busy === undefined ? [] : [blocker('job', job.busy, `godwit describe ${id}`)]),
        blocker(
          'host',
          nowhere ?? `no host may take ${id}`,
          'make room on one of them, or start another agent',
        ),
      ]
      return { preflight: { ...view, checks }, ...why }
    }
    const facts = await this.#facts(workload, job, { to, options })
    const checks = preflight(facts)
    const estimate = 'said' in facts.estimate ? { estimate: facts.estimate.said } : {}
    return { preflight: { ...view, to, checks, ...estimate }, ...why }
  }

  async #facts(
    workload: Workload,
    job: PlacedJob,
    { to, options }: { to: string; options: MigrationOptions },
  ): Promise<PreflightFacts> {
    const { inventory, wouldWait } = this.#edge
    const [from, target] = [workload.host, inventory.knownHost(to)]
    const there = to === from ? alreadyThere(workload.id, to).message : undefined
    const refusals = {
      ...inventory.refusals(to),
      ...refusalsAt(factsOfHost(target, inventory), job, this.#edge.jobs()),
      alreadyThere: there,
    }
    const move = { id: 'preflight', from, to, link: undefined, priority: options.priority }
    const known = {
      workload: workload.id,
      from,
      to,
      options,
      busy: job.busy,
      refusals,
      queue: wouldWait({ ...move, order: Number.MAX_SAFE_INTEGER, waitedMs: 0 }),
      versions: { source: inventory.versions(from), target: inventory.versions(to) },
      source: workload.source.prepared,
      bundle: workload.spec.bundle,
    }
    const closed = there ?? refusals.away ?? refusals.maintenance ?? job.busy
    return { ...known, ...(await this.#asked(workload, { to, options, closed })) }
  }

  async #asked(
    workload: Workload,
    { to, options, closed }: { to: string; options: MigrationOptions; closed: string | undefined },
  ): Promise<Pick<PreflightFacts, 'hosts' | 'rehearsal' | 'link' | 'estimate'>> {
    const { estimates, inventory } = this.#edge
    const { spec, host: from, source } = workload
    const [here, there] = await Promise.all([
      asked(estimates.host(from)),
      asked(estimates.host(to, spec.bundle)),
    ])
    const hosts = { source: here, target: there }
    if (closed !== undefined) {
      const notAsked = { notAsked: closed }
      return { hosts, rehearsal: notAsked, link: notAsked, estimate: notAsked }
    }
    const { workerId: sourceWorker, epoch } = source
    const { computeOnly } = options
    const worker = {
      workerId: makeWorkerId(spec.id, epoch + 1),
      mode: 'incoming',
      epoch,
      computeOnly,
    } as const
    const rehearsal = await asked(this.rehearsals.rehearse(to, launchOf(spec, worker)))
    const { address: sourceAddress } = inventory.knownHost(from)
    const way = { workload: spec.id, from, to, sourceAddress, sourceWorker, options }
    const link = await asked(estimates.link(way))
    const estimate: PreflightFacts['estimate'] =
      'said' in link
        ? await asked(estimates.play(way, link.said))
        : { notAsked: 'the link could not be measured' }
    return { hosts, rehearsal, link, estimate }
  }
}

/** Errors of the world are facts. */
async function asked<T>(answer: Promise<T>): Promise<Asked<T>> {
  try {
    return { said: await answer }
  } catch (error) {
    if (error instanceof GodwitError) return { error: toErrorReport(error) }
    throw error
  }
}

function refusalOf(body: () => unknown): string | undefined {
  try {
    body()
    return undefined
  } catch (error) {
    if (error instanceof GodwitError) return error.message
    throw error
  }
}

function blocker(check: PreflightCheck['check'], message: string, advice: string): PreflightCheck {
  return { check, verdict: 'blocker', message, advice }
}
