/** Hosts as placement sees them: connected, idle, with 1,000 MiB. */
import type { HostFacts } from '../placement.ts'

export const MiB = 2 ** 20

export const hostFacts = (name: string, more: Partial<HostFacts> = {}): HostFacts => ({
  name,
  isConnected: true,
  isInMaintenance: false,
  faultDomain: 'east',
  labels: {},
  memoryBytes: 1000 * MiB,
  maxJobs: undefined,
  utilisation: undefined,
  ...more,
})
