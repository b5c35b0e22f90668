/**
 * What every command that talks to the coordinator has in common: connect, do something, always disconnect, and
 * stop waiting when the person does not want to. A request that waits when the connection goes has failed; what watches
 * goes on with the next one (lasting.ts).
 */

import { CoordinatorClient } from '@godwit/client'
import { type Access, type AccessOptions, accessTo } from './access.ts'
import { type Io, untilInterrupted } from './io.ts'

export interface GlobalOptions extends AccessOptions {
  readonly json: boolean
}

export interface Session {
  /** The connection there is now. */
  client: CoordinatorClient
  readonly io: Io
  readonly json: boolean
  /** The coordinator's address, as it was given. */
  readonly coordinator: string
  /** Another connection to the same coordinator. */
  connect(): Promise<CoordinatorClient>
}

/** Runs `body` with a connection. It rejects with `Interrupted` on Ctrl-C. */
export async function withSession<T>(
  io: Io,
  options: GlobalOptions,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const { coordinator, json } = options
  let access: Access | undefined
  const connect = () =>
    CoordinatorClient.connect(coordinator, async () => {
      access ??= await accessTo(options, process.env.GODWIT_TOKEN)
      return access
    })
  const client = await untilInterrupted(io.interrupted, connect())
  const session: Session = { client, io, json, coordinator, connect }
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
