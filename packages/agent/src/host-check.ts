/**
 * What this host has for a job, as far as it can be said without running anything: the rest is found out by a worker, which takes the
 * job's first steps here, as that of a move would, and is ended (preflight-rehearsals.ts of the coordinator).
 */
import { freemem } from 'node:os'
import { type BundleRef, type HostCheck, LIMITS, toErrorReport } from '@godwit/protocol'
import type { Bundles } from './bundles.ts'

/** Workers run on the agent's Node. In a container memory is what its limit leaves. */
export async function checkHost(bundles: Pick<Bundles, 'look'>, bundle?: BundleRef): Promise<HostCheck> {
  const { version, arch } = process
  const freeBytes = process.availableMemory?.() ?? freemem()
  const memory = { freeMemoryBytes: Math.min(freeBytes, Number.MAX_SAFE_INTEGER) }
  return { node: version, arch, ...memory, ...(bundle === undefined ? {} : await looked(bundles, bundle)) }
}

async function looked(
  bundles: Pick<Bundles, 'look'>,
  bundle: BundleRef,
): Promise<Pick<HostCheck, 'bundle' | 'bundleError'>> {
  try {
    return { bundle: await bundles.look(bundle) }
  } catch (error) {
    const report = toErrorReport(error)
    return { bundleError: { ...report, message: report.message.slice(0, LIMITS.maxErrorLength) } }
  }
}
