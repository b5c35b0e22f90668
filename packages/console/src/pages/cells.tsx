/** What several tables and pages say of a host or a job, each following what it is about. */
import {
  formatBytes,
  formatLoss,
  formatNumber,
  formatPercent,
  formatRate,
  grouped,
  UNKNOWN,
} from '../format/units.ts'
import { HOST_TONES } from '../state/hosts.ts'
import { jobState } from '../state/jobs.ts'
import { hosts, jobs, moves } from '../state/store.ts'
import { HostLink } from '../ui/link.tsx'
import { Bar } from '../ui/meter.tsx'
import { State } from '../ui/state.tsx'

export function JobState({ id }: { readonly id: string }) {
  const job = jobs.get(id)
  if (job === undefined) return null
  return <State {...jobState(job, job.migration === undefined ? undefined : moves.get(job.migration))} />
}

export function JobHost({ id }: { readonly id: string }) {
  const job = jobs.get(id)
  if (job === undefined) return null
  const move = job.migration === undefined ? undefined : moves.get(job.migration)
  return (
    <>
      <HostLink name={job.host} />
      {move !== undefined && jobState(job, move).tone === 'move' && <span class="muted"> → {move.to}</span>}
    </>
  )
}

export function JobSteps({ id }: { readonly id: string }) {
  const job = jobs.get(id)
  if (job === undefined) return null
  const share = job.acceptedSteps / Math.max(1, job.steps)
  return (
    <span class="steps-cell" title={`${grouped(job.acceptedSteps)} of ${grouped(job.steps)} steps`}>
      <Bar label={`Steps of ${id}`} share={share} isSlim isProgress />
      <span>{formatPercent(share)}</span>
    </span>
  )
}

export function JobLoss({ id }: { readonly id: string }) {
  return <>{formatLoss(jobs.get(id)?.loss)}</>
}

export function JobSpeed({ id }: { readonly id: string }) {
  const speed = jobs.get(id)?.stepsPerSecond
  return <>{speed === undefined ? UNKNOWN : `${formatNumber(speed)} steps/s`}</>
}

export function HostState({ name }: { readonly name: string }) {
  const host = hosts.get(name)
  return host === undefined ? null : <State tone={HOST_TONES[host.state]} word={host.state} />
}

export function HostCpu({ name }: { readonly name: string }) {
  const host = hosts.get(name)
  const cpu = host?.utilisation?.cpu
  return (
    <span class="steps-cell">
      <Bar label={`Processor of ${name}`} share={cpu} isSlim />
      <span>{formatPercent(cpu)}</span>
    </span>
  )
}

export function HostMemory({ name }: { readonly name: string }) {
  const host = hosts.get(name)
  if (host === undefined) return null
  return (
    <span
      title={`${formatBytes(host.usedMemoryBytes)} of ${formatBytes(host.memoryBytes)} of memory for jobs`}
    >
      {formatPercent(host.usedMemoryBytes / Math.max(1, host.memoryBytes))}
    </span>
  )
}

export function HostNetwork({ name }: { readonly name: string }) {
  const used = hosts.get(name)?.utilisation
  if (used === undefined) return <>{UNKNOWN}</>
  return (
    <span class="nowrap" title="Received and sent">
      ↓ {formatRate(used.receivedBytesPerSecond)} ↑ {formatRate(used.sentBytesPerSecond)}
    </span>
  )
}

export function HostSpeed({ name }: { readonly name: string }) {
  return <>{formatNumber(hosts.get(name)?.stepsPerSecond)} steps/s</>
}

export function HostDomain({ name }: { readonly name: string }) {
  return <>{hosts.get(name)?.faultDomain}</>
}

export function HostJobs({ name }: { readonly name: string }) {
  return <>{hosts.get(name)?.workloads.length}</>
}
