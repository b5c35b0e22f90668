/**
 * What outlives its connection: watching goes on when the coordinator is restarted.
 *
 * What runs goes on without a coordinator, and so should whoever looks at it. A body that was cut off is run again on the
 * next connection and takes up what it had; it has to be one that may be, so it asks for nothing twice.
 *
 * Invariants: a person is told once that the coordinator is gone and once that it is back, however often it is tried in
 * between; nobody waits longer than `clientPatienceMs`, nor for somebody who refuses us; an error that the coordinator answered with is no loss.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { reconnectDelayMs } from '@godwit/channel'
import { type ErrorKind, GodwitError, LIMITS } from '@godwit/protocol'
import { type CoordinatorClient, lost } from './client.ts'

/** With which a coordinator that is there again says that it will not have us. */
const REFUSALS: readonly ErrorKind[] = [
  'unauthorized',
  'forbidden',
  'token-expired',
  'token-revoked',
  'untrusted-peer',
  'wrong-peer',
  'certificate-expired',
]

/** Whoever watches something. */
export interface Watching {
  /** The client there is now. */
  client: CoordinatorClient
  /** Another one of the same coordinator. */
  connect(): Promise<CoordinatorClient>
  readonly io: {
    /** Tells a person. */
    err(line: string): void
    readonly interrupted: AbortSignal
  }
}

interface Outage {
  readonly sinceMs: number
  failures: number
}

/** Errors: those of `body` that are no loss of the connection; `connection-lost` when the coordinator doesn't come back in time. */
export async function throughLosses<T>(
  session: Watching,
  body: (client: CoordinatorClient) => Promise<T>,
  patienceMs: number = LIMITS.clientPatienceMs,
): Promise<T> {
  const { io } = session
  let outage: Outage | undefined
  for (;;) {
    const { client } = session
    // To have connected is little: a coordinator that is just ending accepts, too.
    void client.answered.then(() => {
      if (outage !== undefined) io.err('the coordinator is back')
      outage = undefined
    })
    try {
      return await untilLost(client, body(client))
    } catch (error) {
      if (client.isOpen || client.wasClosed || io.interrupted.aborted) throw error
      if (outage === undefined) {
        outage = { sinceMs: performance.now(), failures: 0 }
        io.err(`the coordinator is gone: trying to reach it again for ${Math.ceil(patienceMs / 1000)} s`)
      }
      session.client = await reconnected(session, outage, patienceMs)
    }
  }
}

/** Settles as `work` does, or rejects when the connection is over. */
async function untilLost<T>(client: CoordinatorClient, work: Promise<T>): Promise<T> {
  const over = client.closed.then((error): never => {
    throw lost(error)
  })
  // The one that comes second has nobody who looks at it.
  over.catch(() => {})
  work.catch(() => {})
  return Promise.race([work, over])
}

async function reconnected(
  { io, connect }: Watching,
  outage: Outage,
  patienceMs: number,
): Promise<CoordinatorClient> {
  for (;;) {
    await delay(reconnectDelayMs(outage.failures++), undefined, { signal: io.interrupted })
    try {
      return await connect()
    } catch (error) {
      if (error instanceof GodwitError && REFUSALS.includes(error.kind)) throw error
      if (performance.now() - outage.sinceMs < patienceMs) continue
      throw new GodwitError(
        'connection-lost',
        `the coordinator did not come back within ${Math.ceil(patienceMs / 1000)} s: what runs goes on without it; try again when it is back`,
        { cause: error },
      )
    }
  }
}
