/** Hosts, workloads and steps as lines. */
import type { HostView, Output, WorkloadView } from '@godwit/protocol'
import { renderTable } from './table.ts'
import { formatBytes, formatLoss, formatMs, formatNumber, UNKNOWN } from './units.ts'

export function renderHosts(hosts: readonly HostView[]): string[] {
  if (hosts.length === 0) return ['no hosts: start an agent with "godwit agent" on each machine']
  return renderTable(
    [
      { title: 'HOST' },
      { title: 'STATE' },
      { title: 'ADDRESS' },
      { title: 'FAULT DOMAIN' },
      { title: 'CORES', align: 'right' },
      { title: 'MEMORY', align: 'right' },
      { title: 'WORKLOADS' },
    ],
    hosts.map((host) => [
      host.name,
      host.state,
      host.address,
      host.faultDomain,
      String(host.cores),
      formatBytes(host.memoryBytes),
      host.workloads.join(' ') || UNKNOWN,
    ]),
  )
}

export function renderWorkloads(workloads: readonly WorkloadView[]): string[] {
  if (workloads.length === 0) return ['no workloads: start one with "godwit run PROGRAM"']
  const lines = renderTable(
    [
      { title: 'WORKLOAD' },
      { title: 'PROGRAM' },
      { title: 'HOST' },
      { title: 'STATUS' },
      { title: 'STEP', align: 'right' },
      { title: 'LOSS', align: 'right' },
      { title: 'STEPS/S', align: 'right' },
      { title: 'EPOCH', align: 'right' },
      { title: 'TRACKER' },
      { title: 'MIGRATION' },
    ],
    workloads.map((each) => [
      each.id,
      each.program,
      each.host,
      each.status,
      `${each.acceptedSteps}/${each.steps}`,
      formatLoss(each.loss),
      each.stepsPerSecond === undefined ? UNKNOWN : formatNumber(each.stepsPerSecond),
      String(each.epoch),
      each.tracker ?? UNKNOWN,
      each.migration ?? UNKNOWN,
    ]),
  )
  for (const { id, error } of workloads) {
    if (error !== undefined) lines.push(`${id}: ${error.kind}: ${error.message}`)
  }
  return lines
}

/** What became of a workload, in one line. */
export function renderWorkload(workload: WorkloadView): string {
  const { id, status, host, acceptedSteps, steps, loss, error } = workload
  const why = error === undefined ? '' : `: ${error.kind}: ${error.message}`
  const at = status === 'starting' ? '' : ` at step ${acceptedSteps} of ${steps}, loss ${formatLoss(loss)}`
  return `${id} ${status} on ${host}${at}${why}`
}

export function renderStep(output: Output, host: string): string {
  const metrics = Object.entries(output.metrics ?? {}).map(
    ([name, value]) => `  ${name} ${formatNumber(value)}`,
  )
  return `step ${output.step}  loss ${formatLoss(output.loss)}${metrics.join('')}  ${formatMs(output.stepMs)}  ${host} (epoch ${output.epoch})`
}
