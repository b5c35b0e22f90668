/**
 * The coordinator's end of an agent's connection: registered first, then workers' messages in, orders out.
 *
 * Invariants: nothing but `register` is heard before the host is registered, and that only once; an agent speaks for
 * the workers of its own host alone, in a secured cluster the one that its certificate is for; after the connection is over the
 * host counts as disconnected.
 */
import { Channel, type WebSocket } from '@godwit/channel'
import {
  commonVersion,
  type FromAgent,
  fromAgent,
  GodwitError,
  LIMITS,
  OUR_VERSIONS,
  RELEASE,
  type ToAgent,
  toErrorReport,
  type Utilisation,
  type VersionRange,
} from '@godwit/protocol'
import type { Logger } from 'pino'
import type { AgentLink } from './inventory.ts'
import type { Audit } from './security/audit-log.ts'
import { outcomeOf, whoOf } from './security/audited.ts'
import type { AgentPass } from './security/door.ts'

type Message<Type extends FromAgent['type']> = Extract<FromAgent, { type: Type }>

/** What an agent's connection means to the coordinator. */
export interface AgentHandlers {
  /** Throws what the agent is refused with. */
  registered(registration: Message<'register'>, agent: AgentLink): void
  /** After the agent knows that it is registered: the workers that it has are compared with those it should have, and so are its checkpoints. */
  reconcile(host: string, workers: readonly string[], checkpoints?: readonly string[]): void
  fromWorker(host: string, message: Message<'fromWorker'>): void
  /** Which release the host's agent is. */
  isOfRelease(host: string, release: string): void
  /** How far the bundle is that one of its workers waits for. */
  fetching(host: string, message: Message<'fetching'>): void
  /** What the host's machine does. */
  utilised(host: string, utilisation: Utilisation): void
  /** An answer to a question about the link, or about the host. */
  probed(host: string, message: Message<'probeOpened' | 'linkProbed' | 'hostChecked'>): void
  /** What a worker's program has printed. */
  printed(host: string, message: Message<'log'>): void
  workerExited(host: string, message: Message<'workerExited'>): void
  disconnected(host: string, agent: AgentLink): void
}

export interface AgentDoor {
  readonly handlers: AgentHandlers
  readonly clusterId: string
  readonly pass: AgentPass
  readonly audit: Audit
  /** Milliseconds since 1970. */
  now(): number
}

/** Takes over a socket that an agent has opened. */
export function acceptAgent(socket: WebSocket, door: AgentDoor, log: Logger): void {
  const { handlers, clusterId, pass } = door
  let host: string | undefined
  const channel = new Channel<FromAgent, ToAgent>(socket, fromAgent, {
    message: (message) => {
      if (host === undefined) {
        host = register(message)
        return
      }
      switch (message.type) {
        case 'register':
          channel.end(new GodwitError('out-of-order', `${host} is registered already`))
          return
        case 'fromWorker':
          handlers.fromWorker(host, message)
          return
        case 'about':
          handlers.isOfRelease(host, message.release)
          return
        case 'fetching':
          handlers.fetching(host, message)
          return
        case 'utilisation':
          handlers.utilised(host, message.utilisation)
          return
        case 'probeOpened':
        case 'linkProbed':
        case 'hostChecked':
          handlers.probed(host, message)
          return
        case 'renewCertificate':
          renew(message.certificateRequest)
          return
        case 'log':
          handlers.printed(host, message)
          return
        case 'workerExited':
          handlers.workerExited(host, message)
          return
      }
    },
    closed: (error) => {
      clearTimeout(helloTimer)
      left()
      if (host === undefined) return
      log.info({ host, error: error?.message }, 'agent disconnected')
      handlers.disconnected(host, channel)
    },
  })
  const helloTimer = setTimeout(
    () => channel.end(new GodwitError('peer-stalled', 'no registration came')),
    LIMITS.helloTimeoutMs,
  )

  const left = pass.opened((error) => channel.end(error))

  function renew(certificateRequest: string): void {
    pass.renew(certificateRequest).then(
      (certificate) => channel.send({ type: 'certificate', certificate }),
      (error: unknown) => {
        log.warn({ host, err: error }, 'no certificate')
        channel.end(
          error instanceof GodwitError
            ? error
            : new GodwitError('internal', 'no certificate could be issued'),
        )
      },
    )
  }

  function register(message: FromAgent): string | undefined {
    clearTimeout(helloTimer)
    if (message.type !== 'register') {
      channel.end(new GodwitError('out-of-order', `${message.type} before register`))
      return undefined
    }
    const note = (result?: unknown): void => {
      void door.audit.note({
        atMs: door.now(),
        who: pass.host === undefined ? 'local' : whoOf(pass.host),
        address: pass.address,
        action: 'register',
        host: message.name,
        outcome: outcomeOf(result),
      })
    }
    let version: number
    try {
      checkName(message.name, pass.host)
      version = versionWith(message.versions)
      handlers.registered(message, channel)
    } catch (error) {
      note(error)
      log.warn({ host: message.name, err: error }, 'agent refused')
      channel.send({ type: 'refused', error: toErrorReport(error) })
      channel.close()
      return undefined
    }
    note()
    log.info({ host: message.name, address: message.address, workers: message.workers }, 'agent registered')
    channel.send({ type: 'registered', clusterId, version })
    handlers.reconcile(message.name, message.workers, message.checkpoints)
    return message.name
  }
}

function checkName(name: string, certified: string | undefined): void {
  if (certified === undefined || certified === name) return
  throw new GodwitError(
    'wrong-peer',
    `the certificate is for host ${certified}, and the agent calls itself ${name}: start it with --name ${certified}, or let it join as ${name}`,
  )
}

/** The one that is spoken with an agent. Errors: `protocol-version`. */
function versionWith(theirs: VersionRange): number {
  const version = commonVersion(OUR_VERSIONS, theirs)
  if (version !== undefined) return version
  const { min, max } = OUR_VERSIONS
  const who = theirs.max < min ? 'agent' : 'coordinator'
  throw new GodwitError(
    'protocol-version',
    `the agent speaks versions ${theirs.min} to ${theirs.max} of the protocol, the coordinator (release ${RELEASE}) ${min} to ${max}: use releases of Godwit that are next to each other, and upgrade the ${who} first, one release at a time`,
  )
}
