/**
 * What every command that talks to the coordinator has in common: connect, do something, always disconnect, and
 * stop waiting when the person does not want to or the connection is gone.
 */
import { CoordinatorClient, lost } from './client.ts'
import { type Io, untilInterrupted } from './io.ts'

export interface GlobalOptions {
  coordinator: string
  json: boolean
}

export interface Session {
  readonly client: CoordinatorClient
  readonly io: Io
  readonly json: boolean
}

/** Runs `body` with a connection. It rejects with `Interrupted` on Ctrl-C and with `connection-lost` at a loss. */
export async function withSession<T>(
  io: Io,
  options: GlobalOptions,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const client = await untilInterrupted(io.interrupted, CoordinatorClient.connect(options.coordinator))
  const over = client.closed.then((error): never => {
    throw lost(error)
  })
  try {
    const work = body({ client, io, json: options.json })
    return await untilInterrupted(io.interrupted, Promise.race([work, over]))
  } finally {
    // Nobody looks at this end any more; it is ours.
    over.catch(() => {})
    client.close()
  }
}

/** One object on one line of stdout. */
export function printJson(io: Io, value: unknown): void {
  io.out(JSON.stringify(value))
}
