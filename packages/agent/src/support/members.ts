/** An authority for tests, and credentials of its members as joining would have given them. */
import type { Credentials } from '@godwit/channel'
import { hostUri } from '@godwit/protocol'
import { createAuthority, issueCertificate, makeRequest, type SigningAuthority } from '@godwit/trust'

export const CLUSTER = 'c1'

export function testAuthority(): Promise<SigningAuthority> {
  return createAuthority(CLUSTER, Date.now())
}

export async function credentialsOf(
  authority: SigningAuthority,
  uri: string,
  lifetimeMs?: number,
): Promise<Credentials> {
  const { request, key } = await makeRequest()
  const nowMs = Date.now()
  const certificate = await issueCertificate({
    ...{ authority, request, uri, nowMs },
    ...(lifetimeMs !== undefined && { lifetimeMs }),
  })
  return { certificate, key, authority: authority.certificate }
}

export function hostCredentials(authority: SigningAuthority, host: string): Promise<Credentials> {
  return credentialsOf(authority, hostUri(CLUSTER, host))
}
