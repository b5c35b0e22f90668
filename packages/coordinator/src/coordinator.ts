/**
 * The coordinator's door: agents dial `/agent`, hosts that want to join `/join`, clients ask by HTTP and hear events over a WebSocket (api/); all
 * that they say goes to the registry. Whether a cluster is secured is seen by the authority in its folder.
 */
import { join } from 'node:path'
import { type Credentials, type Listener, listen } from '@godwit/channel'
import { changeKind, EVENTS_PATH, GodwitError, LIMITS } from '@godwit/protocol'
import { type Logger, pino } from 'pino'
import { acceptAgent } from './agent-connection.ts'
import { builtConsole } from './api/console-page.ts'
import { HttpApi } from './api/http-api.ts'
import { Metrics } from './api/metrics.ts'
import { BundleStore } from './bundle-store.ts'
import { type Changed, Changes } from './changes.ts'
import { acceptClient, type Handlers, type WatchHandlers } from './client-connection.ts'
import { type Clock, systemClock } from './clock.ts'
import type { KeyValueStore } from './key-value.ts'
import { MemoryStore } from './memory-store.ts'
import type { MoveLimits } from './move-queue.ts'
import { KEYS } from './records.ts'
import { clusterIdOf } from './recovery.ts'
import { Registry } from './registry.ts'
import { type Audit, AuditLog, NO_AUDIT } from './security/audit-log.ts'
import { readAuthority } from './security/authority-file.ts'
import { checkReach, type Door, openDoor, pathOf } from './security/door.ts'
import { type CalledHere, fromElsewhere } from './security/origin.ts'
import { SecuredDoor } from './security/secured.ts'

export interface CoordinatorOptions {
  host?: string
  /** 0: any free one. */
  port?: number
  log?: Logger
  /** In this process unless it is given. It is not closed here. */
  store?: KeyValueStore
  /** Where its authority and its audit log are: without one it is not secured and keeps none. */
  folder?: string
  /** Others than this machine may reach a cluster that is not secured. */
  insecure?: boolean
  clock?: Clock
  /** Where the console was built, unless it is where its room builds it. */
  consoleFolder?: string
  /** Bytes of all bundles that it keeps. */
  bundleSpaceBytes?: number
  /** How many moves may be under way at once. */
  moveLimits?: Partial<MoveLimits>
  /** The store can't be used any more: this coordinator must end. */
  fatal?: (error: GodwitError) => void
}

export interface Coordinator {
  readonly port: number
  readonly isSecured: boolean
  /** Ends every connection. Agents and their workers go on. */
  close(): Promise<void>
}

export const DEFAULT_HOST = '127.0.0.1'
export const DEFAULT_PORT = 7070

/** Settles once it listens. Errors: `port-in-use`, `bad-arguments`, `insecure`, `store-unusable`, `disk-full`. */
export async function startCoordinator(options: CoordinatorOptions = {}): Promise<Coordinator> {
  const { folder, log = pino({ level: 'silent' }) } = options
  const audit = folder === undefined ? NO_AUDIT : await AuditLog.open(folder, log)
  try {
    return await startAudited(audit, { ...options, log })
  } catch (error) {
    await audit.close()
    throw error
  }
}

async function startAudited(
  audit: Audit,
  options: CoordinatorOptions & { log: Logger },
): Promise<Coordinator> {
  const { folder, log, fatal, host = DEFAULT_HOST, port = DEFAULT_PORT, insecure = false } = options
  const { clock = systemClock, moveLimits = {} } = options
  const metrics = new Metrics(() => changes.census())
  const store = metrics.measured(options.store ?? new MemoryStore())
  const now = (): number => clock.calendarMs()
  const authority = folder === undefined ? undefined : readAuthority(folder)
  if (authority === undefined) checkReach(host, insecure)
  const clusterId = await clusterIdOf(store)
  const door: Door =
    authority === undefined
      ? openDoor(audit)
      : await SecuredDoor.open({ authority, clusterId, store, audit, log, now })
  let tell = (_: Changed): void => {}
  const changed = (what: Changed): void => tell(what)
  const bundles = BundleStore.open({
    folder: folder && join(folder, 'bundles'),
    spaceBytes: options.bundleSpaceBytes ?? LIMITS.defaultBundleSpaceBytes,
    log,
    now,
  })
  const registry = await Registry.open({
    store,
    bundles,
    log,
    clock,
    changed,
    moveLimits,
    ...(fatal === undefined ? {} : { fatal }),
  })
  const changes = new Changes(() => registry.look(), clock, metrics)
  changes.begin()
  tell = (what) => changes.changed(what)
  const handlers: Handlers = { ...registry.requests, ...door.requests, ...watchHandlers(changes) }
  const asked = { handlers, audit, now, log }
  const here: CalledHere = { isSecured: authority !== undefined, listensAt: host }
  const api = await HttpApi.open({
    ...asked,
    door,
    store,
    metrics,
    here,
    consoleFolder: options.consoleFolder ?? builtConsole(),
    bundles,
    nowMs: () => clock.nowMs(),
    ready: async () => {
      await store.get(KEYS.cluster)
    },
  })
  const { credentials } = door
  const listener: Listener = await listen({
    at: { host, ports: [port] },
    maxConnections: LIMITS.maxConnections,
    maxStrangers: LIMITS.maxStrangers,
    ...(credentials !== undefined && { credentials }),
    page: ({ headers }, url) => (pathOf(url) === EVENTS_PATH ? fromElsewhere(headers, here) : onlyEvents()),
    admit: (peer, url) => door.admit(peer, pathOf(url)),
    resource: (url) => door.resource(pathOf(url)),
    http: (request, response, visitor) => api.handle(request, response, visitor),
    connected: (socket, url, peer) => {
      try {
        const path = pathOf(url)
        if (path === '/join') door.join(socket, peer)
        else if (path === '/agent')
          acceptAgent(
            socket,
            { handlers: registry.agents, clusterId, pass: door.pass(peer), audit, now },
            log,
          )
        else acceptClient(socket, door.session(peer), asked)
      } catch (error) {
        // What it showed counted until a moment ago.
        if (!(error instanceof GodwitError)) log.error({ err: error }, 'a bug in the coordinator')
        socket.terminate()
      }
    },
  })
  const stopRenewing = keepRenewed(door, listener, { clock, log })
  return {
    port: listener.port,
    isSecured: authority !== undefined,
    close: async () => {
      stopRenewing()
      registry.close()
      changes.close()
      await listener.close()
      await api.close()
      bundles.close()
      await audit.close()
    },
  }
}

function onlyEvents(): GodwitError {
  return new GodwitError(
    'forbidden',
    `a page in a browser hears events at ${EVENTS_PATH}, and comes in nowhere else`,
  )
}

function watchHandlers(changes: Changes): WatchHandlers {
  return {
    session: (_, { session: { who, role } }) => ({ who, role }),
    tasks: () => changes.tasks(),
    events: (request) => changes.events(request),
    watch: ({ kinds = changeKind.options, after }, client) => {
      const { watcher, isReset } = changes.watch(client.changes, kinds, after)
      client.watch(watcher)
      return { isReset }
    },
  }
}

/** Shows new credentials before the old ones are over. Returns what ends that. */
function keepRenewed(
  door: Door,
  listener: Listener,
  { clock, log }: { clock: Clock; log: Logger },
): () => void {
  if (door.credentials === undefined) return () => {}
  let isOver = false
  let cancel = (): void => {}
  const renewed = (credentials: Credentials | undefined): void => {
    if (credentials === undefined) return
    listener.renew(credentials)
    log.info('the certificate of this coordinator was renewed')
  }
  const later = (): void => {
    if (isOver) return
    cancel = clock.after(door.nextLookMs(), () => {
      door
        .renewed()
        .then(renewed)
        .catch((error: unknown) => log.error({ err: error }, 'it could not be renewed'))
        .finally(later)
    })
  }
  later()
  return () => {
    isOver = true
    cancel()
  }
}
