/** The cluster at a glance: what there is, how it is doing, and all hosts and jobs. */
import type { HostView, WorkloadView } from '@godwit/protocol'
import { useSignal } from '@preact/signals'
import { session } from '../api/session.ts'
import { formatBytes, formatNumber, formatPercent, grouped } from '../format/units.ts'
import { clusterOffers } from '../state/actions.ts'
import { nowMs } from '../state/clock.ts'
import { isOver } from '../state/jobs.ts'
import { isEnded } from '../state/moves.ts'
import { openRun } from '../state/overlays.ts'
import { hosts, jobs, moves } from '../state/store.ts'
import { Actions } from '../ui/actions.tsx'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { Figures } from '../ui/facts.tsx'
import { HostLink } from '../ui/link.tsx'
import { Section } from '../ui/section.tsx'
import { HostCpu, HostDomain, HostJobs, HostMemory, HostNetwork, HostSpeed, HostState } from './cells.tsx'
import { JobTable } from './job-table.tsx'

const HOST_COLUMNS: readonly Column<HostView>[] = [
  { name: 'Host', keyOf: ({ name }) => name, cell: ({ name }) => <HostLink name={name} /> },
  { name: 'State', keyOf: ({ state }) => state, cell: ({ name }) => <HostState name={name} /> },
  {
    name: 'Domain',
    isMinor: true,
    keyOf: ({ faultDomain }) => faultDomain,
    cell: ({ name }) => <HostDomain name={name} />,
  },
  {
    name: 'Processor',
    isNumber: true,
    keyOf: ({ utilisation }) => utilisation?.cpu,
    cell: ({ name }) => <HostCpu name={name} />,
  },
  {
    name: 'Memory',
    isNumber: true,
    keyOf: ({ usedMemoryBytes, memoryBytes }) => usedMemoryBytes / Math.max(1, memoryBytes),
    cell: ({ name }) => <HostMemory name={name} />,
  },
  {
    name: 'Network',
    isNumber: true,
    isMinor: true,
    keyOf: ({ utilisation }) =>
      utilisation && utilisation.receivedBytesPerSecond + utilisation.sentBytesPerSecond,
    cell: ({ name }) => <HostNetwork name={name} />,
  },
  {
    name: 'Jobs',
    isNumber: true,
    keyOf: ({ workloads }) => workloads.length,
    cell: ({ name }) => <HostJobs name={name} />,
  },
  {
    name: 'Speed',
    isNumber: true,
    isMinor: true,
    keyOf: ({ stepsPerSecond }) => stepsPerSecond,
    cell: ({ name }) => <HostSpeed name={name} />,
  },
]

export function ClusterPage() {
  const withOver = useSignal(false)
  const role = session.value?.role
  // Once a second: what is drawn here is of all hosts and jobs.
  nowMs.value
  hosts.shape.value
  jobs.shape.value
  const allHosts = hosts.peekAll()
  const allJobs = jobs.peekAll()
  const shown = withOver.value ? allJobs : allJobs.filter((job) => !isOver(job) || job.status === 'failed')
  return (
    <div class="page">
      <header class="page-head">
        <h1>Cluster</h1>
        {role !== undefined && <Actions offers={clusterOffers(role)} chosen={() => openRun()} />}
      </header>
      <ClusterFigures hosts={allHosts} jobs={allJobs} />
      <Section title="Hosts">
        <DataTable
          caption="Hosts"
          columns={HOST_COLUMNS}
          items={allHosts}
          idOf={({ name }) => name}
          first={{ column: 'Host', isDown: false }}
          nothing="No host has come yet: start one with godwit agent."
        />
      </Section>
      <Section
        title="Jobs"
        aside={
          <label class="check small">
            <input
              type="checkbox"
              checked={withOver.value}
              onChange={({ currentTarget }) => {
                withOver.value = currentTarget.checked
              }}
            />
            Show ended
          </label>
        }
      >
        <JobTable jobs={shown} nothing="No job runs." />
      </Section>
    </div>
  )
}

function ClusterFigures({
  hosts: all,
  jobs: every,
}: {
  hosts: readonly HostView[]
  jobs: readonly WorkloadView[]
}) {
  const running = every.filter(({ status }) => status === 'running')
  const failed = every.filter(({ status }) => status === 'failed').length
  const underWay = moves.all().filter(({ status }) => !isEnded(status)).length
  const connected = all.filter(({ state }) => state !== 'disconnected')
  const sum = (of: (host: HostView) => number): number =>
    connected.reduce((total, host) => total + of(host), 0)
  const cores = sum(({ cores }) => cores)
  const busy = sum(({ cores, utilisation }) => cores * (utilisation?.cpu ?? 0))
  return (
    <Figures
      figures={[
        ['Hosts', `${connected.length} of ${all.length}`, 'Those that are connected'],
        ['Jobs running', grouped(running.length)],
        failed > 0 && ['Jobs failed', <span class="bad">{failed}</span>],
        ['Moves under way', underWay],
        ['Processors', formatPercent(cores === 0 ? undefined : busy / cores), `Of ${cores} cores`],
        [
          'Memory for jobs',
          `${formatBytes(sum(({ usedMemoryBytes }) => usedMemoryBytes))} of ${formatBytes(sum(({ memoryBytes }) => memoryBytes))}`,
        ],
        ['Speed', `${formatNumber(sum(({ stepsPerSecond }) => stepsPerSecond))} steps/s`],
      ]}
    />
  )
}
