/** Hosts of a secured cluster without a coordinator: credentials as joining would have written them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { hostUri } from '@godwit/protocol'
import { createAuthority, issueCertificate, makeRequest, writeCredentials } from '@godwit/trust'

/** A folder of credentials below `folder` for each host, all of one authority. */
export async function makeMembers(
  folder: string,
  hosts: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const [clusterId, nowMs] = ['bench', Date.now()]
  const authority = await createAuthority(clusterId, nowMs)
  const folders = new Map<string, string>()
  for (const host of hosts) {
    const { request, key } = await makeRequest()
    const uri = hostUri(clusterId, host)
    const certificate = await issueCertificate({ authority, request, uri, nowMs })
    const of = join(folder, host)
    mkdirSync(of, { recursive: true })
    writeCredentials(of, { certificate, key, authority: authority.certificate })
    folders.set(host, of)
  }
  return folders
}
