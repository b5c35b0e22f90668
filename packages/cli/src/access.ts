/**
 * What a command needs to be let in: nothing on loopback, a token in a secured cluster.
 *
 * The token says which authority vouches for the coordinator it is for. So it is shown to that one and nobody else, whatever
 * answers at the address. It is never an argument: the command line of a process is everybody's to read.
 */
import { readFileSync } from 'node:fs'
import { type DialSecurity, isLoopback } from '@godwit/channel'
import { GodwitError, parseToken } from '@godwit/protocol'
import { coordinatorSecurity, fetchAuthority } from '@godwit/trust'
import { keptToken } from './token-store.ts'

export interface AccessOptions {
  readonly coordinator: string
  /** A file that holds an API token. */
  readonly tokenFile?: string
  /** To go in the clear off loopback. */
  readonly insecure: boolean
}

/** For `CoordinatorClient.connect`. */
export interface Access {
  readonly security?: DialSecurity
  readonly token?: string
}

/**
 * `environmentToken`: what GODWIT_TOKEN holds. Errors: `insecure`, `unauthorized` without a token, `bad-arguments`, those of
 * `fetchAuthority`.
 */
export async function accessTo(
  { coordinator, tokenFile, insecure }: AccessOptions,
  environmentToken: string | undefined,
): Promise<Access> {
  if (!coordinator.startsWith('wss:')) {
    checkInTheClear(coordinator, insecure)
    return {}
  }
  const given = (tokenFile === undefined ? environmentToken : readToken(tokenFile))?.trim()
  const token = given === undefined || given === '' ? keptToken(coordinator) : given
  if (token === undefined) {
    throw new GodwitError(
      'unauthorized',
      `the cluster at ${coordinator} is secured: put an API token into GODWIT_TOKEN, or a file with it into --token-file, or keep one with godwit login; godwit coordinator init prints the first one, an admin makes others with godwit token create --role operator`,
    )
  }
  const authority = await fetchAuthority(coordinator, parseToken(token, 'api').authority)
  return { security: coordinatorSecurity(authority), token }
}

function checkInTheClear(coordinator: string, insecure: boolean): void {
  // What is no address is dialled, and told so.
  if (insecure || !URL.canParse(coordinator) || isLoopback(new URL(coordinator).hostname)) return
  throw new GodwitError(
    'insecure',
    `${coordinator} is off this machine and in the clear: everybody on the network could read and change jobs. Give the address of a secured cluster, wss://..., or type --insecure on a network that you trust`,
  )
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new GodwitError('bad-arguments', `--token-file ${file}: ${(error as Error).message}`)
  }
}
