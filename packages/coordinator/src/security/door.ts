/**
 * Who may come in, and as whom: asked before a connection becomes a WebSocket. Two doors: one of a cluster that is secured
 * (secured.ts), and the one below, through which everybody comes in who reaches it: from this machine, or because somebody typed
 * `--insecure`.
 */
import { type Credentials, isLoopback, type Peer, type WebSocket } from '@godwit/channel'
import { API_PREFIX, EVENTS_PATH, GodwitError, LIMITS, type Role } from '@godwit/protocol'
import type { SecurityHandlers } from '../client-connection.ts'
import type { Audit } from './audit-log.ts'

/** Whoever asks over one connection. */
export interface Session {
  /** As the audit log calls it. */
  readonly who: string
  readonly role: Role
  readonly address: string
  /** Why it may not go on: asked before each answer and each event. */
  refusal(): GodwitError | undefined
}

/** Whoever comes in as an agent. */
export interface AgentPass {
  readonly address: string
  /** The host that its certificate is for; undefined where nobody shows one. */
  readonly host?: string
  /** A certificate in the place of the one that it has shown. Errors: `bad-message`, `too-busy`, `token-revoked`, `insecure`. */
  renew(certificateRequest: string): Promise<string>
  /** `end` is called when it may not stay. Returns what undoes that. */
  opened(end: (error: GodwitError) => void): () => void
}

export interface Door {
  readonly credentials: Credentials | undefined
  /** Why `peer` may not come in. */
  admit(peer: Peer, path: string): GodwitError | undefined
  resource(path: string): string | undefined
  /** Errors: as `admit`; what was right a moment ago may not be now. */
  session(peer: Peer): Session
  pass(peer: Peer): AgentPass
  join(socket: WebSocket, peer: Peer): void
  readonly requests: SecurityHandlers
  /** New credentials when those that are shown are due. */
  renewed(): Promise<Credentials | undefined>
  /** When to ask for them again. */
  nextLookMs(): number
}

/** Without what follows a question mark. */
export function pathOf(url: string): string {
  return url.split('?')[0] ?? url
}

export function noSuchPath(path: string): GodwitError {
  return new GodwitError(
    'bad-arguments',
    `there is nothing at ${path.slice(0, 100)}: agents connect at /agent, events come at ${EVENTS_PATH}`,
  )
}

function unsecuredError(): GodwitError {
  return new GodwitError(
    'insecure',
    'this cluster is not secured and knows no tokens: make one that is with godwit coordinator init',
  )
}

function unsecured(): never {
  throw unsecuredError()
}

/** Errors: `insecure` where others could reach it and nobody said that they may. */
export function checkReach(host: string, insecure: boolean): void {
  if (isLoopback(host) || insecure) return
  throw new GodwitError(
    'insecure',
    `others can reach this coordinator at ${host}, and its cluster is not secured: make one that is with godwit coordinator init --data-dir FOLDER, or type --insecure where everybody on the network may do everything`,
  )
}

export function openDoor(audit: Audit): Door {
  return {
    credentials: undefined,
    admit: (_, path) => {
      if (path === '/agent' || path === API_PREFIX || path === EVENTS_PATH) return undefined
      return path === '/join' ? unsecuredError() : noSuchPath(path)
    },
    resource: () => undefined,
    session: ({ address }) => ({ who: 'local', role: 'admin', address, refusal: () => undefined }),
    pass: ({ address }) => ({ address, renew: async () => unsecured(), opened: () => () => {} }),
    join: unsecured,
    requests: {
      createToken: unsecured,
      tokens: unsecured,
      revokeToken: unsecured,
      removeHost: unsecured,
      audit: async ({ limit, workload }) => ({ entries: await audit.latest({ limit, workload }) }),
    },
    renewed: async () => undefined,
    nextLookMs: () => LIMITS.certificateCheckMs,
  }
}
