/**
 * What every command that talks to the coordinator has in common: connect, do something, always disconnect, and
 * stop waiting when the person does not want to. A request that waits when the connection goes has failed; what watches
 * goes on with the next one (lasting.ts).
 */
import { CoordinatorClient } from './client.ts'
import { type Io, untilInterrupted } from './io.ts'

export interface GlobalOptions {
  coordinator: string
  json: boolean
}

export interface Session {
  /** The connection there is now. */
  client: CoordinatorClient
  readonly io: Io
  readonly json: boolean
  /** Another connection to the same coordinator. */
  connect(): Promise<CoordinatorClient>
}

/** Runs `body` with a connection. It rejects with `Interrupted` on Ctrl-C. */
export async function withSession<T>(
  io: Io,
  options: GlobalOptions,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const connect = () => CoordinatorClient.connect(options.coordinator)
  const client = await untilInterrupted(io.interrupted, connect())
  const session: Session = { client, io, json: options.json, connect }
  try {
    return await untilInterrupted(io.interrupted, body(session))
  } finally {
    session.client.close()
  }
}

/** One object on one line of stdout. */
export function printJson(io: Io, value: unknown): void {
  io.out(JSON.stringify(value))
}
