/**
 * Requests over HTTP: one request, one answer, by the table of routes that the coordinator has too. What creates or moves something is asked under
 * a key of its own, so that it is done once.
 *
 * The page comes from the coordinator that it asks, so answers are of the release that it was built with, and are not checked again.
 */
import type { ClientRequestInput, Problem, Reply } from '@godwit/protocol'
import {
  type ErrorKind,
  IDEMPOTENCY_HEADER,
  LIMITS,
  PROBLEM_TYPE,
  type RestOp,
  setupMs,
  toHttp,
} from '@godwit/protocol/light'
import { currentToken } from './session.ts'

export type RequestOf<Op extends RestOp> = Extract<ClientRequestInput, { op: Op }>

/** What the coordinator refused with, or `unreachable`: a kind to decide on, a sentence for people. */
export class Refusal extends Error {
  readonly kind: ErrorKind

  constructor(kind: ErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

/** What was thrown, if it is one; what else was thrown is a bug, and goes on. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  throw error
}

/** What may take longer than others before it is answered. */
const SLOW: Partial<Record<RestOp, number>> = {
  checkpoint: LIMITS.checkpointTimeoutMs,
  preflight: LIMITS.preflightTimeoutMs,
}

/** Errors: `Refusal`. */
export async function ask<Op extends RestOp>(request: RequestOf<Op>): Promise<Reply<Op>> {
  const { method, path, body } = toHttp(request as Parameters<typeof toHttp>[0])
  const timeoutMs = timeoutOf(request as Parameters<typeof timeoutOf>[0])
  const token = currentToken()
  let answer: Response
  let text: string
  try {
    answer = await fetch(path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(method !== 'GET' && { [IDEMPOTENCY_HEADER]: randomKey() }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      credentials: 'omit',
      cache: 'no-store',
      signal: AbortSignal.timeout(timeoutMs),
    })
    text = await answer.text()
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError'
    const why = isLate ? `did not answer within ${timeoutMs / 1000} s` : 'does not answer'
    throw new Refusal(isLate ? 'peer-stalled' : 'unreachable', `the coordinator ${why}: what runs goes on`)
  }
  return resultOf(answer, text) as Reply<Op>
}

function timeoutOf(request: { readonly op: RestOp; readonly bundle?: { readonly bytes: number } }): number {
  if (request.op === 'run') return setupMs(request.bundle)
  return SLOW[request.op] ?? LIMITS.requestTimeoutMs
}

function resultOf(answer: Response, text: string): unknown {
  if (answer.status === 204) return {}
  const said = parsed(text)
  if (answer.ok && said !== undefined) return said
  if (answer.headers.get('content-type')?.startsWith(PROBLEM_TYPE) && said !== undefined) {
    const { kind, detail } = said as Problem
    throw new Refusal(kind, detail)
  }
  throw new Refusal('unreachable', `what answers here is no coordinator: HTTP status ${answer.status}`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** `crypto.randomUUID` is there in secure contexts alone, and a coordinator may be asked over plain HTTP. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('')
}
