/**
 * The API's description (OpenAPI 3.1), made from the table of routes and the schemas by which requests and replies are checked: nothing of
 * it is written by hand, and nothing of it can be out of date. Schemas of 3.1 are JSON Schema, which zod gives.
 */
import {
  API_PREFIX,
  BUNDLES_PATH,
  CHUNKS_PATH,
  ERROR_KINDS,
  fieldsOf,
  IDEMPOTENCY_HEADER,
  missingChunks,
  NAMED_SCHEMAS,
  PROBLEM_TYPE,
  pathFields,
  problem,
  REPLIES,
  REST_OPS,
  type RestOp,
  ROLE_NEEDED,
  ROUTES,
  type Route,
} from '@godwit/protocol'
import { z } from 'zod'

type Json = Record<string, unknown>
/** They take bytes, and are no rows of the table (bundle-routes.ts). */
export const UPLOAD_OPS = ['putBundle', 'putChunk'] as const
type UploadOp = (typeof UPLOAD_OPS)[number]

export interface OperationAnswer {
  readonly description: string
  readonly content?: Readonly<Record<string, { readonly schema: Json }>>
}

export interface Operation {
  readonly operationId: RestOp | UploadOp
  readonly summary: string
  readonly description: string
  readonly parameters: readonly {
    readonly name: string
    readonly in: string
    readonly required: boolean
    readonly schema: Json
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Json }>> }
  readonly responses: Readonly<Record<string, OperationAnswer>>
}

export interface OpenApi {
  readonly openapi: '3.1.0'
  readonly info: { readonly title: string; readonly version: string; readonly description: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes: Json }
  readonly security: readonly Json[]
}

/** Views that several answers share, by the name that they have here. */
const named = z.registry<{ id: string }>()
for (const [id, schema] of Object.entries(NAMED_SCHEMAS)) named.add(schema, { id })

export function openApi(): OpenApi {
  const schemas: Record<string, Json> = {}
  const paths: Record<string, Record<string, Operation>> = {}
  for (const op of REST_OPS) {
    const route: Route = ROUTES[op]
    const path = `${API_PREFIX}${route.path.replace(/:(\w+)/g, '{$1}')}`
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(op, route, schemas) }
  }
  Object.assign(paths, uploads(schemas))
  const description = `Errors are ${PROBLEM_TYPE} (RFC 9457), whose \`kind\` is one of: ${Object.keys(ERROR_KINDS).join(', ')}. Events come over a WebSocket at ${API_PREFIX}/events.`
  return {
    openapi: '3.1.0',
    info: { title: 'Godwit', version: '1', description },
    paths,
    components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    // Where the cluster is not secured there are no tokens.
    security: [{ token: [] }, {}],
  }
}

function uploads(schemas: Record<string, Json>): OpenApi['paths'] {
  const bytes = { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } }
  const digest = {
    ...{ name: 'digest', in: 'path', required: true },
    schema: { type: 'string', pattern: '^[0-9a-f]{64}$' },
  }
  const upload = (
    operationId: UploadOp,
    summary: string,
    responses: Operation['responses'],
  ): Readonly<Record<string, Operation>> => ({
    put: {
      operationId,
      summary,
      description: `Needs the role ${ROLE_NEEDED.run}. The digest is SHA-256 of the bytes.`,
      parameters: [digest],
      requestBody: bytes,
      responses: { ...responses, default: anError(schemas) },
    },
  })
  return {
    [`${BUNDLES_PATH}/{digest}`]: upload(
      'putBundle',
      'Announce a bundle by its manifest; answered with the chunks that are missing',
      {
        200: {
          description: 'done',
          content: { 'application/json': { schema: jsonOf(missingChunks, 'output', schemas) } },
        },
      },
    ),
    [`${CHUNKS_PATH}/{digest}`]: upload('putChunk', 'Upload a chunk that is missing', {
      204: { description: 'done' },
    }),
  }
}

function anError(schemas: Record<string, Json>): OperationAnswer {
  return {
    description: 'an error',
    content: { [PROBLEM_TYPE]: { schema: jsonOf(problem, 'output', schemas) } },
  }
}

function operationOf(op: RestOp, route: Route, schemas: Record<string, Json>): Operation {
  const inPath = pathFields(route)
  const fields = Object.entries(fieldsOf(op))
  const isPost = route.method === 'POST'
  const parameters = fields
    .filter(([name]) => inPath.includes(name) || !isPost)
    .map(([name, schema]) => ({
      name,
      in: inPath.includes(name) ? 'path' : 'query',
      required: !schema.safeParse(undefined).success,
      schema: jsonOf(schema, 'input', schemas),
    }))
  const key = {
    name: IDEMPOTENCY_HEADER,
    in: 'header',
    required: false,
    schema: { type: 'string', maxLength: 200 },
  }
  const body = Object.fromEntries(fields.filter(([name]) => !inPath.includes(name)))
  return {
    operationId: op,
    summary: route.summary,
    description: `Needs the role ${ROLE_NEEDED[op]}.`,
    parameters: route.method === 'GET' ? parameters : [...parameters, key],
    ...(isPost && {
      requestBody: {
        content: { 'application/json': { schema: jsonOf(z.strictObject(body), 'input', schemas) } },
      },
    }),
    responses: {
      [route.status]: {
        description: 'done',
        ...(route.status !== 204 && {
          content: { 'application/json': { schema: jsonOf(REPLIES[op], 'output', schemas) } },
        }),
      },
      default: anError(schemas),
    },
  }
}

/** What has a name is put into `schemas` and referred to. */
function jsonOf(schema: z.ZodType, io: 'input' | 'output', schemas: Record<string, Json>): Json {
  const {
    $defs,
    $schema: _,
    ...json
  } = z.toJSONSchema(schema, {
    io,
    metadata: named,
    unrepresentable: 'any',
  }) as Json & { $defs?: Record<string, Json> }
  for (const [name, each] of Object.entries($defs ?? {})) schemas[name] ??= withRefs(each) as Json
  return withRefs(json) as Json
}

function withRefs(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(withRefs)
  if (typeof json !== 'object' || json === null) return json
  return Object.fromEntries(
    Object.entries(json)
      .filter(([key]) => key !== 'id')
      .map(([key, value]) => [
        key,
        key === '$ref' && typeof value === 'string'
          ? value.replace('#/$defs/', '#/components/schemas/')
          : withRefs(value),
      ]),
  )
}
