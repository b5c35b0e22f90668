/** The coordinator's door: agents dial `/agent`, clients `/client`, and all that they say goes to the registry. */
import { type Listener, listen } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'
import { type Logger, pino } from 'pino'
import { acceptAgent } from './agent-connection.ts'
import { acceptClient, type SecurityHandlers } from './client-connection.ts'
import type { KeyValueStore } from './key-value.ts'
import { MemoryStore } from './memory-store.ts'
import { Registry } from './registry.ts'

export interface CoordinatorOptions {
  host?: string
  /** 0: any free one. */
  port?: number
  log?: Logger
  /** In this process unless it is given. It is not closed here. */
  store?: KeyValueStore
  /** The store can't be used any more: this coordinator must end. */
  fatal?: (error: GodwitError) => void
}

export interface Coordinator {
  readonly port: number
  /** Ends every connection. Agents and their workers go on. */
  close(): Promise<void>
}

export const DEFAULT_HOST = '127.0.0.1'
export const DEFAULT_PORT = 7070

function unsecured(): never {
  throw new GodwitError(
    'insecure',
    'this cluster is not secured and knows no tokens: make one that is with godwit coordinator init',
  )
}

const UNSECURED: SecurityHandlers = {
  createToken: unsecured,
  tokens: unsecured,
  revokeToken: unsecured,
  removeHost: unsecured,
  audit: unsecured,
}

/** Settles once it listens. Errors: `port-in-use`, `bad-arguments`, `store-unusable`. */
export async function startCoordinator(options: CoordinatorOptions = {}): Promise<Coordinator> {
  const log = options.log ?? pino({ level: 'silent' })
  const { fatal } = options
  const store = options.store ?? new MemoryStore()
  const registry = await Registry.open({ store, log, ...(fatal === undefined ? {} : { fatal }) })
  const requests = { ...registry.requests, ...UNSECURED }
  const listener: Listener = await listen({
    at: { host: options.host ?? DEFAULT_HOST, ports: [options.port ?? DEFAULT_PORT] },
    connected: (socket, url) => {
      const path = url.split('?')[0]
      if (path === '/agent')
        acceptAgent(socket, { handlers: registry.agents, clusterId: registry.clusterId }, log)
      else if (path === '/client') acceptClient(socket, requests, log)
      else {
        socket.on('error', () => {})
        socket.close(1008, 'agents connect at /agent, clients at /client')
      }
    },
  })
  return {
    port: listener.port,
    close: async () => {
      registry.close()
      await listener.close()
    },
  }
}
