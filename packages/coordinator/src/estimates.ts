/**
 * Estimates: what a migration would cost, asked of those who know and put together.
 *
 * Three questions, one after the other: the source's agent is asked to listen, the target's to dial it and measure the link, the
 * worker to watch its job and play the migration through. Before a move an agent is also asked what its host has. Nothing is written
 * down and nobody is kept from anything, so one that goes wrong is an answer like any other.
 *
 * Invariant: every question ends, by an answer of the host that was asked or by the time that it may take.
 */
import {
  type BundleRef,
  commonVersion,
  type EstimateView,
  type FromAgent,
  type FromWorker,
  fromErrorReport,
  GodwitError,
  type HostCheck,
  LIMITS,
  type LinkMeasure,
  MIN_PROTOCOL_VERSION,
  type MigrationOptions,
  type ToAgent,
  type ToWorker,
} from '@godwit/protocol'
import type { Clock } from './clock.ts'
import type { Inventory } from './inventory.ts'
import { makeProbeId, makeSecret } from './names.ts'

/** Beyond the time that the one who is asked gives itself. */
const SLACK_MS = 500
const WITHIN_MS = {
  probeOpened: LIMITS.linkProbeTimeoutMs,
  linkProbed: LIMITS.linkProbeTimeoutMs,
  estimated: LIMITS.jobProbeTimeoutMs,
  hostChecked: LIMITS.hostCheckTimeoutMs,
} as const

export interface EstimateRequest {
  readonly workload: string
  readonly from: string
  readonly sourceAddress: string
  readonly sourceWorker: string
  readonly to: string
  readonly options: MigrationOptions
}

type Ends = Pick<EstimateRequest, 'from' | 'to' | 'sourceAddress'>

/** Each carries what was asked for, or an error. */
type Answer =
  | Extract<FromAgent, { type: 'probeOpened' | 'linkProbed' | 'hostChecked' }>
  | Extract<FromWorker, { type: 'estimated' }>
type AnswerOf<Type extends Answer['type']> = Extract<Answer, { type: Type }>

interface Question {
  readonly host: string
  readonly type: Answer['type']
  answered(answer: Answer): void
}

export class Estimates {
  readonly #inventory: Inventory
  readonly #clock: Clock
  readonly #questions = new Map<string, Question>()

  constructor(inventory: Inventory, clock: Clock) {
    this.#clock = clock
    this.#inventory = inventory
  }

  /** Errors: `host-disconnected`, `peer-stalled`, and what those who were asked answer. */
  async estimate(request: EstimateRequest): Promise<EstimateView> {
    return this.play(request, await this.link(request))
  }

  /** What the host says that it has, of a bundle too. Errors: `host-disconnected`, `peer-stalled`. */
  async host(host: string, bundle?: BundleRef): Promise<HostCheck> {
    const probeId = makeProbeId()
    const answer = await this.#ask('hostChecked', {
      host,
      probeId,
      message: { type: 'checkHost', probeId, ...(bundle === undefined ? {} : { bundle }) },
    })
    return answer.host
  }

  /** What the way from source to target carries. Errors: those of `estimate`. */
  async link({ from, to, sourceAddress }: Ends): Promise<LinkMeasure> {
    const [probeId, secret] = [makeProbeId(), makeSecret()]
    const version = this.#versionBetween(from, to)
    const { port } = await this.#ask('probeOpened', {
      host: from,
      probeId,
      message: { type: 'openProbe', probeId, to, secret, version },
    })
    const dial = { from, host: sourceAddress, port: said(port, from), secret, version }
    const { link } = await this.#ask('linkProbed', {
      host: to,
      probeId,
      message: { type: 'dialProbe', probeId, ...dial },
    })
    return said(link, to)
  }

  /** The one that both know. An agent of version 1 leaves it out as it reads, and means 1. */
  #versionBetween(from: string, to: string): number {
    const [source, target] = [this.#inventory.versions(from), this.#inventory.versions(to)]
    return (source && target && commonVersion(source, target)) ?? MIN_PROTOCOL_VERSION
  }

  /** The migration played through over a link that was measured. Errors: those of `estimate`. */
  async play(
    { workload, from, to, sourceWorker, options }: EstimateRequest,
    link: LinkMeasure,
  ): Promise<EstimateView> {
    const probeId = makeProbeId()
    const watch: ToWorker = { type: 'estimate', probeId, to, options, link }
    const { estimate } = await this.#ask('estimated', {
      host: from,
      probeId,
      message: { type: 'toWorker', workerId: sourceWorker, message: watch },
    })
    return { ...said(estimate, from), workload, from, to, downtimeLimitMs: options.downtimeLimitMs }
  }

  /** What an agent or one of its workers said. What nobody asked that host is not heard. */
  answered(host: string, answer: Answer): void {
    const question = this.#questions.get(answer.probeId)
    if (question?.host === host && question.type === answer.type) question.answered(answer)
  }

  async #ask<Type extends Answer['type']>(
    type: Type,
    { host, probeId, message }: { host: string; probeId: string; message: ToAgent },
  ): Promise<AnswerOf<Type>> {
    this.#inventory.connectedHost(host)
    let cancel = (): void => {}
    try {
      return await new Promise((resolve, reject) => {
        cancel = this.#clock.after(SLACK_MS + WITHIN_MS[type], () =>
          reject(new GodwitError('peer-stalled', `${host} did not answer a question in time`)),
        )
        const answered = (answer: Answer): void => {
          const error = 'error' in answer ? answer.error : undefined
          if (error === undefined) resolve(answer as AnswerOf<Type>)
          else reject(fromErrorReport(error))
        }
        this.#questions.set(probeId, { host, type, answered })
        this.#inventory.send(host, message)
      })
    } finally {
      cancel()
      this.#questions.delete(probeId)
    }
  }
}

/** An answer without an error has what was asked for. */
function said<T>(value: T | undefined, host: string): T {
  if (value !== undefined) return value
  throw new GodwitError('bad-message', `${host} answered an estimate's question with nothing`)
}
