/** `login` and `logout`: a token is kept for a coordinator, in a file that nobody else can read. */
import { CoordinatorClient } from '@godwit/client'
import { GodwitError, parseToken } from '@godwit/protocol'
import { accessTo } from '../access.ts'
import type { Io } from '../io.ts'
import { type GlobalOptions, printJson } from '../session.ts'
import { forgetToken, keepToken, tokensFile } from '../token-store.ts'

/** `piped`: what is piped in, undefined at a terminal; asked for last. Kept only once the coordinator has said that it counts. */
export async function login(
  io: Io,
  options: GlobalOptions,
  piped: () => Promise<string | undefined>,
): Promise<number> {
  const { coordinator, tokenFile, json } = options
  if (!coordinator.startsWith('wss:')) {
    throw new GodwitError(
      'bad-arguments',
      `${coordinator} is no secured cluster (wss://...), and knows no tokens: give its address with --coordinator or GODWIT_COORDINATOR`,
    )
  }
  const token = tokenFile === undefined ? (process.env.GODWIT_TOKEN ?? (await piped()))?.trim() : undefined
  if (tokenFile === undefined && (token === undefined || token === '')) {
    throw new GodwitError(
      'bad-arguments',
      'no token was given: pipe it in (godwit login < token), name a file with --token-file, or set GODWIT_TOKEN; as an argument everybody could read it',
    )
  }
  const access = await accessTo(options, token)
  const client = await CoordinatorClient.connect(coordinator, async () => access)
  try {
    const { who, role } = await client.request({ op: 'session' })
    keepToken(coordinator, access.token ?? '')
    if (json) printJson(io, { who, role, file: tokensFile() })
    else io.out(`token ${who}, of role ${role}, is kept for ${coordinator} in ${tokensFile()}`)
    return 0
  } finally {
    client.close()
  }
}

export function logout(io: Io, { coordinator, json }: GlobalOptions): number {
  const token = forgetToken(coordinator)
  if (token === undefined) throw new GodwitError('bad-arguments', `no token is kept for ${coordinator}`)
  const { id } = parseToken(token, 'api')
  if (json) printJson(io, { forgotten: id })
  else io.out(`token ${id} is forgotten here; to end it: godwit token revoke ${id}`)
  return 0
}
