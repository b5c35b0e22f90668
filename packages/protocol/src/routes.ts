/**
 * The HTTP API as one table: where each request of client-messages.ts is found. Its shape stands there and nowhere else: what the path names
 * are fields of the request, and so is all else, in the query of a GET or DELETE and in the body of a POST. Coordinator, client, console and the
 * OpenAPI description are made from this; a new request is a row. No schema is needed to read it: the console takes it along.
 */
import type { ClientOp, ClientRequest } from './client-messages.ts'

export const API_PREFIX = '/api/v1'
/** A WebSocket, over which the requests without a row are asked; to a plain GET the list of what happened. */
export const EVENTS_PATH = `${API_PREFIX}/events`

/** Asked over the WebSocket of events, since they are about what comes over it. */
export const EVENT_OPS = ['follow', 'followLogs', 'unfollow', 'watch', 'watchPages', 'unwatchPages'] as const
export type EventOp = (typeof EVENT_OPS)[number]
export type RestOp = Exclude<ClientOp, EventOp>

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below `API_PREFIX`; `:name` is the field of this name. */
  readonly path: string
  /** Of a success; 204 has no body, where the reply is empty. */
  readonly status: 200 | 201 | 202 | 204
  readonly summary: string
}

export const ROUTES = {
  hosts: get('/hosts', 'Hosts, with their capacity and what they do'),
  removeHost: remove('/hosts/:host', 'End the membership of a host', 204),
  maintenance: get('/hosts/:host/maintenance', 'How far the maintenance of a host is'),
  enterMaintenance: post('/hosts/:host/maintenance', 'Empty a host of its jobs and keep it empty', 202),
  exitMaintenance: remove('/hosts/:host/maintenance', 'Let a host take jobs again', 202),
  workloads: get('/workloads', 'Jobs'),
  run: post('/workloads', 'Start a job; answered when it trains', 201),
  workload: get('/workloads/:workload', 'All about a job'),
  forget: remove(
    '/workloads/:workload',
    'Forget a job that is over, its outputs and checkpoints included',
    204,
  ),
  rules: get('/workloads/:workload/rules', 'Where a job may be, and what its present host breaks of that'),
  setRules: post('/workloads/:workload/rules', 'Say anew where a job may be; nothing is moved by it', 200),
  logs: get('/workloads/:workload/logs', 'What the program of a job has printed, oldest first'),
  curve: get('/workloads/:workload/curve', 'Losses, metrics and step times of a job, thinned to be drawn'),
  stop: post('/workloads/:workload/stop', 'End a job', 200),
  checkpoint: post(
    '/workloads/:workload/checkpoints',
    'Write a checkpoint; answered when it is written',
    201,
  ),
  history: get('/workloads/:workload/migrations', 'The moves of a job, oldest first'),
  migrate: post('/workloads/:workload/migrations', 'Move a job to another host while it trains', 202),
  cancel: post('/workloads/:workload/migrations/cancel', 'Cancel the move that a job has under way', 200),
  hold: post('/workloads/:workload/migrations/hold', 'Keep the move of a job before its switchover', 200),
  switchover: post('/workloads/:workload/migrations/switchover', 'Let a move go that is held', 200),
  pause: post(
    '/workloads/:workload/migrations/pause',
    'Have the move of a job send nothing for a while',
    200,
  ),
  resume: post('/workloads/:workload/migrations/resume', 'Let a move go on that is paused', 200),
  estimate: post('/workloads/:workload/estimates', 'What a move would cost; nothing moves', 200),
  preflight: post('/workloads/:workload/preflights', 'What a move would meet; nothing moves', 200),
  migration: get('/migrations/:migration', 'A move: its options, progress and report'),
  session: get('/session', 'Who asks, and as what'),
  tasks: get('/tasks', 'What is under way: moves and maintenances'),
  events: get('/events', 'What has happened, oldest first'),
  tokens: get('/tokens', 'Tokens, without their secrets'),
  createToken: post('/tokens', 'Make a token; its secret is in this answer and nowhere else', 201),
  revokeToken: remove('/tokens/:token', 'End a token, and the connections that were opened with it', 200),
  audit: get('/audit', 'Who did what, oldest first'),
} as const satisfies { readonly [Op in RestOp]: Route }

function get(path: string, summary: string): Route {
  return { method: 'GET', path, status: 200, summary }
}

function post(path: string, summary: string, status: Route['status']): Route {
  return { method: 'POST', path, status, summary }
}

function remove(path: string, summary: string, status: Route['status']): Route {
  return { method: 'DELETE', path, status, summary }
}

export const REST_OPS = Object.keys(ROUTES) as RestOp[]

export function isRestOp(op: ClientOp): op is RestOp {
  return Object.hasOwn(ROUTES, op)
}

/** The fields that stand in a path, in their order. */
export function pathFields({ path }: Route): string[] {
  return path
    .split('/')
    .filter((part) => part.startsWith(':'))
    .map((part) => part.slice(1))
}

export interface HttpRequest {
  readonly method: Route['method']
  /** With its query. */
  readonly path: string
  /** Of a POST: to be written as JSON. */
  readonly body?: Readonly<Record<string, unknown>>
}

/** How a request is asked over HTTP. */
export function toHttp(request: Extract<ClientRequest, { op: RestOp }>): HttpRequest {
  const route: Route = ROUTES[request.op]
  const { op: _, ...rest } = request as { op: string } & Record<string, unknown>
  const inPath = pathFields(route)
  const path = inPath.reduce(
    (filled, field) => filled.replace(`:${field}`, encodeURIComponent(String(rest[field]))),
    `${API_PREFIX}${route.path}`,
  )
  const others = Object.entries(rest).filter(([key, value]) => !inPath.includes(key) && value !== undefined)
  if (route.method === 'POST') return { method: route.method, path, body: Object.fromEntries(others) }
  const query = new URLSearchParams(
    others.map(([key, value]): [string, string] => [key, String(value)]),
  ).toString()
  return { method: route.method, path: query === '' ? path : `${path}?${query}` }
}

export const PROBLEM_TYPE = 'application/problem+json'
export const IDEMPOTENCY_HEADER = 'idempotency-key'
