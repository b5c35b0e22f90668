/**
 * How a host comes to belong to a secured cluster, and when it may do without one.
 *
 * It joins once: the token is spent on a certificate, whose key is made here and never leaves the host, and both lie in the
 * data folder from then on. So a token that is given again, because the line that starts the agent has one, means nothing
 * any more. The key is there before it is asked for a certificate: whatever is lost then, starting the agent again asks again.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Credentials, crashPoint, isLoopback } from '@godwit/channel'
import { type ErrorKind, GodwitError, parseToken } from '@godwit/protocol'
import {
  fingerprintOf,
  forgetJoiningKey,
  joinCluster,
  type KeyRequest,
  keyToJoinWith,
  membershipOf,
  readCredentials,
  writeCredentials,
} from '@godwit/trust'
import type { Logger } from 'pino'
import { diskError } from './disk.ts'

export const CREDENTIALS_NAME = 'credentials'

export interface SecurityOptions {
  /** `wss:` where the cluster is secured. */
  coordinatorUrl: string
  name: string
  address: string
  listenHost: string
  /** As a person copied it. */
  joinToken?: string | undefined
  /** To go in the clear off loopback. */
  insecure: boolean
}

/** Before anything is opened. Errors: `insecure`, `bad-arguments` for a token that would be shown in the clear. */
export function checkSecurity(options: SecurityOptions): void {
  const { coordinatorUrl, address, listenHost, joinToken, insecure } = options
  if (isSecured(coordinatorUrl)) return
  if (joinToken !== undefined) {
    throw new GodwitError(
      'bad-arguments',
      `a join token is of a secured cluster, whose coordinator is dialled at wss://, and this one is ${coordinatorUrl}`,
    )
  }
  if (insecure) return
  const exposed = [
    ['--coordinator', coordinatorUrl, hostIn(coordinatorUrl)],
    ['--address', address, address],
    ['--listen-host', listenHost, listenHost],
  ].find(([, , host]) => host !== undefined && !isLoopback(host))
  if (exposed === undefined) return
  throw new GodwitError(
    'insecure',
    `${exposed[0]} ${exposed[1]} is off this machine, and this cluster is not secured: everybody on the network could read and change jobs. Secure it (godwit coordinator init prints the line to run here), or type --insecure on a network that you trust`,
  )
}

export function isSecured(coordinatorUrl: string): boolean {
  return coordinatorUrl.startsWith('wss:')
}

/**
 * The folder of the host's credentials, which it gets now unless it has them; undefined where the cluster is not secured. Errors:
 * `unauthorized` without a token, `bad-arguments` and `other-cluster` for credentials of somebody else, those of `joinCluster`.
 */
export async function becomeMember(
  { coordinatorUrl, name, joinToken }: SecurityOptions,
  dataFolder: string,
  log: Logger,
): Promise<string | undefined> {
  if (!isSecured(coordinatorUrl)) return undefined
  const folder = join(dataFolder, CREDENTIALS_NAME)
  const token = joinToken === undefined ? undefined : parseToken(joinToken, 'join')
  const credentials = read(folder)
  if (credentials === undefined) {
    if (joinToken === undefined) {
      throw new GodwitError(
        'unauthorized',
        `this host is no member of the cluster at ${coordinatorUrl} yet: give it a join token in GODWIT_JOIN_TOKEN or with --join; an admin of the cluster makes one: godwit token create`,
      )
    }
    const makeRequest = () => requestIn(folder)
    const joined = await joinCluster({ coordinatorUrl, token: joinToken, name, makeRequest })
    write(folder, joined.credentials)
    log.info({ clusterId: joined.clusterId, name }, 'this host has joined the cluster')
    return folder
  }
  const { host, clusterId } = membershipOf(credentials)
  if (host !== name) {
    throw new GodwitError(
      'bad-arguments',
      `${folder} holds the certificate of host ${host}, and this one is ${name}: give it --name ${host}, or another --data-dir`,
    )
  }
  if (token !== undefined && token.authority !== fingerprintOf(credentials.authority)) {
    throw new GodwitError(
      'other-cluster',
      `this host is a member of cluster ${clusterId}, and the join token is another cluster's: give it another --data-dir, or delete ${folder} if it is to leave ${clusterId}`,
    )
  }
  return folder
}

function read(folder: string): Credentials | undefined {
  try {
    const credentials = readCredentials(folder)
    // An agent that ended between the two writes left its key.
    if (credentials !== undefined) forgetJoiningKey(folder)
    return credentials
  } catch (error) {
    throw diskError(error, folder)
  }
}

/** On disk before anybody is shown it. */
async function requestIn(folder: string): Promise<KeyRequest> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    crashPoint('before-write:joining')
    const asking = await keyToJoinWith(folder)
    crashPoint('after-write:joining')
    return asking
  } catch (error) {
    throw diskError(error, folder)
  }
}

function write(folder: string, credentials: Credentials): void {
  try {
    crashPoint('before-write:credentials')
    writeCredentials(folder, credentials)
    crashPoint('after-write:credentials')
    forgetJoiningKey(folder)
  } catch (error) {
    throw diskError(error, folder)
  }
}

/** Kinds of a refusal that no later attempt with the same credentials gets over. */
const SPENT: readonly ErrorKind[] = ['token-revoked', 'certificate-expired', 'untrusted-peer']

/** A refusal with what a person does about it, since the token that is given again means nothing. */
export function withWayBack(error: unknown, folder: string): unknown {
  if (!(error instanceof GodwitError) || !SPENT.includes(error.kind)) return error
  return new GodwitError(
    error.kind,
    `${error.message}. This host's credentials are in ${folder}: to join again, delete that folder and start the agent with a new join token`,
    { cause: error },
  )
}

function hostIn(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined
}
