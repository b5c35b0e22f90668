/**
 * What is asked over HTTP, by the table in routes.ts, checked by the schemas of client-messages.ts; and the names that the description of the API
 * gives to what several answers share.
 */
import { z } from 'zod'
import { checkpointReport } from './checkpoint.ts'
import {
  type ClientOp,
  type ClientRequest,
  clientRequest,
  curveView,
  hostView,
  migrationView,
  moveEntry,
  REPLIES,
  workloadView,
} from './client-messages.ts'
import { errorReport } from './common.ts'
import { estimateView } from './estimate.ts'
import { happening, taskView } from './happenings.ts'
import { maintenanceView } from './maintenance.ts'
import { checkMessage } from './message.ts'
import { migrationOptions, migrationProgress, migrationReport } from './migration.ts'
import { placementRules, verdict } from './placement.ts'
import { preflightView } from './preflight.ts'
import { logLine } from './program-log.ts'
import { API_PREFIX, REST_OPS, type RestOp, ROUTES } from './routes.ts'
import { auditEntry, tokenView } from './security.ts'

export const CLIENT_OPS = Object.keys(REPLIES) as ClientOp[]

/** Of a request without its `op`: each field's schema by its name. */
export function fieldsOf(op: ClientOp): Readonly<Record<string, z.ZodType>> {
  const { op: _, ...fields } = schemaOf(op).shape
  return fields
}

type RequestSchema = (typeof clientRequest.options)[number]

function schemaOf(op: ClientOp): RequestSchema {
  return clientRequest.options.find(({ shape }) => shape.op.value === op) as RequestSchema
}

/** What stands at a path, with what it names. */
export function routesAt(path: string): { readonly op: RestOp; readonly params: Record<string, string> }[] {
  if (!path.startsWith(API_PREFIX)) return []
  const parts = path.slice(API_PREFIX.length).split('/')
  return REST_OPS.flatMap((op) => {
    const expected = ROUTES[op].path.split('/')
    if (expected.length !== parts.length) return []
    const params: Record<string, string> = {}
    for (const [index, part] of expected.entries()) {
      const given = parts[index] as string
      if (part.startsWith(':')) params[part.slice(1)] = decoded(given)
      else if (part !== given) return []
    }
    return [{ op, params }]
  })
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export interface HttpParts {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, unknown>>
  readonly body: unknown
}

/** What was asked over HTTP, checked. Errors: `bad-message` naming the field. */
export function fromHttp(op: RestOp, { params, query, body }: HttpParts): ClientRequest {
  const fields = fieldsOf(op)
  const typed = Object.entries(query).map(([key, text]) => [key, fromText(fields[key], text)])
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  const given = ROUTES[op].method === 'POST' ? (body ?? {}) : {}
  if (body !== undefined && body !== null && !isObject) return checkMessage(clientRequest, body)
  // What the path says stands in no other place, or two would say it.
  const twice = Object.keys(params).find((key) => Object.hasOwn(given, key))
  const request = { ...given, ...Object.fromEntries(typed), ...params, op }
  return checkMessage(
    schemaOf(op),
    twice === undefined ? request : { ...request, [`${twice} (twice)`]: true },
  )
}

/** A query is text; numbers and booleans are written as in JSON. */
function fromText(schema: z.ZodType | undefined, text: unknown): unknown {
  if (typeof text !== 'string') return text
  switch (kindOf(schema)) {
    case 'number':
      return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    default:
      return text
  }
}

function kindOf(schema: z.ZodType | undefined): string | undefined {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return kindOf(schema.unwrap() as z.ZodType)
  return schema?.def.type
}

/** How an error is told (RFC 9457), with our own kind of it. */
export const problem = z.strictObject({
  /** `urn:godwit:error:<kind>` */
  type: z.string(),
  /** What the kind means. */
  title: z.string(),
  status: z.int(),
  /** What is wrong, and what to do. */
  detail: errorReport.shape.message,
  kind: errorReport.shape.kind,
  phase: errorReport.shape.phase,
})
export type Problem = z.infer<typeof problem>

/** What the description of the API calls those that several answers share. */
export const NAMED_SCHEMAS = {
  AuditEntry: auditEntry,
  Checkpoint: checkpointReport,
  Curve: curveView,
  Error: errorReport,
  Estimate: estimateView,
  Happening: happening,
  Host: hostView,
  LogLine: logLine,
  Maintenance: maintenanceView,
  Migration: migrationView,
  MigrationOptions: migrationOptions,
  MigrationProgress: migrationProgress,
  MigrationReport: migrationReport,
  Move: moveEntry,
  PlacementRules: placementRules,
  Preflight: preflightView,
  Problem: problem,
  Task: taskView,
  Token: tokenView,
  Verdict: verdict,
  Workload: workloadView,
} as const
