/**
 * What this host has for a job, as far as it can be said without running anything: the rest is found out by a worker, which takes the
 * job's first steps here, as that of a move would, and is ended (preflight-rehearsals.ts of the coordinator).
 */
import { freemem } from 'node:os'
import type { HostCheck } from '@godwit/protocol'

/** Workers run on the agent's Node. In a container memory is what its limit leaves. */
export function checkHost(): HostCheck {
  const { version, arch } = process
  const freeBytes = process.availableMemory?.() ?? freemem()
  return { node: version, arch, freeMemoryBytes: Math.min(freeBytes, Number.MAX_SAFE_INTEGER) }
}
