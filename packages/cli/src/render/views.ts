/** Hosts, workloads and steps as lines. */
import {
  type CheckpointView,
  type Divergence,
  type HostView,
  type Output,
  type PlacementRules,
  sayBytes,
  type WorkloadView,
} from '@godwit/protocol'
import { status as styledStatus } from './colour.ts'
import { renderFetching } from './progress.ts'
import { renderTable } from './table.ts'
import { formatBytes, formatLoss, formatMs, formatNumber, formatRate, plural, UNKNOWN } from './units.ts'

/** Statuses of a workload that nothing follows. */
export const ENDED_WORKLOAD: readonly WorkloadView['status'][] = ['finished', 'stopped', 'failed']

const MOST_NAMED = 5

export function renderHosts(hosts: readonly HostView[]): string[] {
  if (hosts.length === 0) return ['no hosts: start an agent with "godwit agent" on each machine']
  const lines = renderTable(
    [
      { title: 'HOST' },
      { title: 'STATE', style: styledStatus },
      { title: 'RELEASE' },
      { title: 'ADDRESS' },
      { title: 'FAULT DOMAIN' },
      { title: 'CORES', align: 'right' },
      { title: 'CPU', align: 'right' },
      { title: 'MEMORY', align: 'right' },
      { title: 'NETWORK', align: 'right' },
      { title: 'STEPS/S', align: 'right' },
      { title: 'LABELS' },
      { title: 'WORKLOADS' },
    ],
    hosts.map((host) => [
      host.name,
      renderHostState(host),
      host.release ?? UNKNOWN,
      host.address,
      host.faultDomain,
      String(host.cores),
      host.utilisation === undefined ? UNKNOWN : `${Math.round(100 * host.utilisation.cpu)}%`,
      `${formatBytes(host.usedMemoryBytes)} of ${formatBytes(host.memoryBytes)}`,
      renderNetwork(host),
      host.workloads.length === 0 ? UNKNOWN : formatNumber(host.stepsPerSecond),
      Object.entries(host.labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(' ') || UNKNOWN,
      host.workloads.join(' ') || UNKNOWN,
    ]),
  )
  const behind = hosts.filter(({ isBehind }) => isBehind)
  if (behind.length > 0) lines.push(renderBehind(behind))
  return lines
}

/** The first few by name: there may be hundreds. */
function renderBehind(hosts: readonly HostView[]): string {
  const named = hosts.slice(0, MOST_NAMED).map(({ name }) => name)
  const others = hosts.length - named.length
  const who = others > 0 ? `${named.join(', ')} and ${others} more` : named.join(', ')
  return `of an earlier release than the coordinator: ${who}. To upgrade a host: godwit maintenance enter HOST, replace it, godwit maintenance exit HOST --return`
}

/** E.g. `maintenance: 2 of 5 moved`, `disconnected (empty for maintenance)`. */
function renderHostState({ state, maintenance }: HostView): string {
  if (maintenance === undefined) return state
  const { phase, moved, moving, waiting, stuck } = maintenance
  const how =
    phase === 'evacuated'
      ? 'empty'
      : `${moved} of ${moved + moving + waiting + stuck} ${phase === 'returning' ? 'back' : 'moved'}`
  return state === 'maintenance' ? `maintenance: ${how}` : `${state} (maintenance: ${how})`
}

/** Of the machine: in and out. */
function renderNetwork({ utilisation }: HostView): string {
  if (utilisation === undefined) return UNKNOWN
  const { receivedBytesPerSecond, sentBytesPerSecond } = utilisation
  return `${formatRate(receivedBytesPerSecond)} in, ${formatRate(sentBytesPerSecond)} out`
}

/** `nowMs`: milliseconds since 1970. */
export function renderWorkloads(workloads: readonly WorkloadView[], nowMs: number): string[] {
  if (workloads.length === 0) return ['no workloads: start one with "godwit run PROGRAM"']
  const lines = renderTable(
    [
      { title: 'WORKLOAD' },
      { title: 'PROGRAM' },
      { title: 'HOST' },
      { title: 'STATUS', style: styledStatus },
      { title: 'STEP', align: 'right' },
      { title: 'LOSS', align: 'right' },
      { title: 'STEPS/S', align: 'right' },
      { title: 'UP', align: 'right' },
      { title: 'EPOCH', align: 'right' },
      { title: 'TRACKER' },
      { title: 'RESTARTS', align: 'right' },
      { title: 'CHECKPOINT', align: 'right' },
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
      renderUptime(each, nowMs),
      String(each.epoch),
      each.tracker ?? UNKNOWN,
      String(each.restarts),
      each.checkpoint === undefined ? UNKNOWN : `step ${each.checkpoint.step}`,
      each.migration ?? UNKNOWN,
    ]),
  )
  for (const { id, error, diverged } of workloads) {
    if (diverged !== undefined) lines.push(`${id}: ${renderDivergence(diverged)}`)
    if (error !== undefined) lines.push(`${id}: ${error.kind}: ${error.message}`)
  }
  return lines
}

/** Everything about one workload, a line each. */
export function renderDetails(workload: WorkloadView, nowMs: number): string[] {
  const { ranges, restartPolicy, restarts, checkpoint, diverged } = workload
  const { tracker, trackerReason, migration, bundle, fetching } = workload
  const owners = ranges.map(({ epoch, host, fromStep }) => `epoch ${epoch} on ${host} from step ${fromStep}`)
  const why = trackerReason === undefined ? '' : ` (${trackerReason})`
  return [
    renderWorkload(workload),
    `program     ${workload.program}${renderParameters(workload.parameters)}`,
    ...(bundle === undefined
      ? []
      : [`brought     ${sayBytes(bundle.bytes)} of program and data, bundle ${bundle.digest.slice(0, 12)}`]),
    ...(fetching === undefined ? [] : [`fetching    ${renderFetching(fetching)}`]),
    `up          ${renderUptime(workload, nowMs)}, wherever it was`,
    ...renderPlaced(workload.rules),
    `owned by    ${owners.join(', ') || UNKNOWN}`,
    `dirty pages ${tracker === undefined ? UNKNOWN : `by ${tracker}${why}`}`,
    `restarts    ${restarts} (${restartPolicy === 'never' ? 'never restarted' : 'restarted when its worker is lost'})`,
    `checkpoint  ${checkpoint === undefined ? UNKNOWN : renderCheckpoint(checkpoint)}`,
    ...(migration === undefined ? [] : [`migration   ${migration}`]),
    ...(diverged === undefined ? [] : [renderDivergence(diverged)]),
  ]
}

/** Since it was started, moves and restarts included. */
function renderUptime({ startedAtMs, status }: WorkloadView, nowMs: number): string {
  if (startedAtMs === undefined || ENDED_WORKLOAD.includes(status)) return UNKNOWN
  const seconds = Math.max(0, Math.floor((nowMs - startedAtMs) / 1000))
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60].map(
    Math.floor,
  )
  if (days) return `${days}d ${hours}h`
  if (hours) return `${hours}h ${minutes}m`
  return minutes ? `${minutes}m ${seconds % 60}s` : `${seconds}s`
}

function renderPlaced(rules: PlacementRules | undefined): string[] {
  const parts = renderRules(rules)
  return parts.length === 0 ? [] : [`placed      ${parts.join(', ')}`]
}

/** One for each rule. */
export function renderRules({
  requires = {},
  with: together = [],
  apartFrom = [],
}: PlacementRules = {}): string[] {
  return [
    ...Object.entries(requires).map(([key, value]) => `${key}=${value}`),
    ...together.map((job) => `with ${job}`),
    ...apartFrom.map((job) => `apart from ${job}`),
  ]
}

function renderParameters(parameters: WorkloadView['parameters']): string {
  return Object.entries(parameters)
    .map(([name, value]) => ` ${name}=${value}`)
    .join('')
}

/** E.g. `step 512 on a, wrote 6.2 MiB in 3 rounds and 45.1 ms, training stood for 4.20 ms, 12.4 MiB on disk`. */
export function renderCheckpoint(checkpoint: CheckpointView): string {
  const { step, host, writtenBytes, fileBytes, rounds, incremental, stallMs, totalMs } = checkpoint
  const what = incremental ? `what changed, ${formatBytes(writtenBytes)}` : formatBytes(writtenBytes)
  return `step ${step} on ${host}, wrote ${what} in ${plural(rounds, 'round')} and ${formatMs(totalMs)}, training stood for ${formatMs(stallMs)}, ${formatBytes(fileBytes)} on disk`
}

export function renderDivergence({ step, acceptedLoss, recomputedLoss }: Divergence): string {
  return `diverged: step ${step} gave loss ${acceptedLoss} before the restart and ${recomputedLoss} after it; the program is not deterministic`
}

/** What became of a workload, in one line. */
export function renderWorkload(workload: WorkloadView): string {
  const { id, status, host, acceptedSteps, steps, loss, error } = workload
  const why = error === undefined ? '' : `: ${error.kind}: ${error.message}`
  const at = status === 'starting' ? '' : ` at step ${acceptedSteps} of ${steps}, loss ${formatLoss(loss)}`
  return `${id} ${styledStatus(status)} on ${host}${at}${why}`
}

export function renderStep(output: Output, host: string): string {
  const metrics = Object.entries(output.metrics ?? {}).map(
    ([name, value]) => `  ${name} ${formatNumber(value)}`,
  )
  return `step ${output.step}  loss ${formatLoss(output.loss)}${metrics.join('')}  ${formatMs(output.stepMs)}  ${host} (epoch ${output.epoch})`
}
