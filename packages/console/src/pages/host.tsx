/** A host: where it is, what it has, what its machine does, which jobs are on it, and its maintenance. */
import type { HostView } from '@godwit/protocol'
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import { ask } from '../api/ask.ts'
import { currentToken, session } from '../api/session.ts'
import { formatBytes, formatNumber, formatPercent, formatRate, UNKNOWN } from '../format/units.ts'
import { hostOffers } from '../state/actions.ts'
import { nowMs } from '../state/clock.ts'
import { doWithHost } from '../state/doing.ts'
import { useFetched } from '../state/fetched.ts'
import { hosts, jobs } from '../state/store.ts'
import { Actions } from '../ui/actions.tsx'
import { Facts, Figures, Tags } from '../ui/facts.tsx'
import { JobLink } from '../ui/link.tsx'
import { Bar, Meter } from '../ui/meter.tsx'
import { Empty, Section } from '../ui/section.tsx'
import { Sparkline } from '../ui/sparkline.tsx'
import { State } from '../ui/state.tsx'
import { HostState } from './cells.tsx'
import { JobTable } from './job-table.tsx'

export function HostPage({ name }: { readonly name: string }) {
  const host = hosts.get(name)
  const role = session.value?.role
  if (host === undefined)
    return (
      <div class="page">
        <h1>{name}</h1>
        <Empty>No host of this name is known: it was removed or forgotten, or never came.</Empty>
      </div>
    )
  return (
    <div class="page">
      <header class="page-head">
        <div>
          <p class="eyebrow">Host</p>
          <h1>{name}</h1>
          <HostState name={name} />
        </div>
        {role !== undefined && (
          <Actions
            offers={hostOffers(host, { role, isSecured: currentToken() !== undefined })}
            chosen={(action) => doWithHost(action, host)}
          />
        )}
      </header>
      {host.maintenance !== undefined && <Maintenance host={host} />}
      <div class="columns">
        <Machine host={host} />
        <About host={host} />
      </div>
      <HostJobs name={name} />
    </div>
  )
}

function inUse(used: HostView['utilisation']): string {
  const total = used?.totalMemoryBytes
  return `${formatBytes(used?.usedMemoryBytes)}${total === undefined ? '' : ` of ${formatBytes(total)}`}`
}

/** A reading each five seconds: ten minutes. */
const KEPT = 120

interface Readings {
  readonly cpu: readonly number[]
  readonly received: readonly number[]
  readonly sent: readonly number[]
}

function Machine({ host }: { readonly host: HostView }) {
  const { utilisation, memoryBytes, usedMemoryBytes, cores } = host
  const readings = useSignal<Readings>({ cpu: [], received: [], sent: [] })
  useEffect(() => {
    if (utilisation === undefined) return
    const add = (values: readonly number[], value: number): number[] => [...values, value].slice(-KEPT)
    const { cpu, received, sent } = readings.peek()
    readings.value = {
      cpu: add(cpu, utilisation.cpu),
      received: add(received, utilisation.receivedBytesPerSecond),
      sent: add(sent, utilisation.sentBytesPerSecond),
    }
  }, [utilisation, readings])
  const { cpu, received, sent } = readings.value
  return (
    <Section title="Machine" class="machine">
      <Meter label="Processor" share={utilisation?.cpu}>
        {formatPercent(utilisation?.cpu)} of {cores} cores
      </Meter>
      <Sparkline values={cpu} max={1} label="Processor, the last minutes" />
      <Meter label="Memory for jobs" mayFill share={usedMemoryBytes / Math.max(1, memoryBytes)}>
        {formatBytes(usedMemoryBytes)} of {formatBytes(memoryBytes)}
      </Meter>
      <Figures
        figures={[
          ['Memory in use', inUse(utilisation), 'Of the whole machine'],
          ['Receiving', formatRate(utilisation?.receivedBytesPerSecond)],
          ['Sending', formatRate(utilisation?.sentBytesPerSecond)],
        ]}
      />
      <div class="two-sparks">
        <Sparkline values={received} label="Received, the last minutes" />
        <Sparkline values={sent} label="Sent, the last minutes" />
      </div>
    </Section>
  )
}

function About({ host }: { readonly host: HostView }) {
  const { address, faultDomain, labels, maxJobs, cores, memoryBytes, workloads, stepsPerSecond } = host
  const { release, protocol, isBehind } = host
  const [zone, rack] = faultDomain.split('/', 2)
  return (
    <Section title="About">
      <Facts
        facts={[
          ['Address', <code>{address}</code>],
          ['Zone', zone],
          rack !== undefined && ['Rack', rack],
          release !== undefined && [
            'Release',
            <span class={isBehind === true ? 'warn' : ''}>
              {release}
              {isBehind === true && ', earlier than the coordinator’s'}
            </span>,
            `Protocol ${protocol}`,
          ],
          ['Cores', cores],
          ['Memory for jobs', formatBytes(memoryBytes)],
          ['Jobs', maxJobs === undefined ? workloads.length : `${workloads.length} of ${maxJobs}`],
          ['Speed', `${formatNumber(stepsPerSecond)} steps/s`, 'Of all its jobs'],
          [
            'Labels',
            labels === undefined || Object.keys(labels).length === 0 ? UNKNOWN : <Tags labels={labels} />,
          ],
        ]}
      />
    </Section>
  )
}

function HostJobs({ name }: { readonly name: string }) {
  nowMs.value
  const here = jobs.all().filter(({ host }) => host === name)
  return (
    <Section title="Jobs">
      <JobTable jobs={here} nothing="No job is on this host." isOfHost />
    </Section>
  )
}

const PHASES = {
  evacuating: ['move', 'Its jobs are leaving'],
  evacuated: ['ok', 'The host is empty: it can be worked on'],
  returning: ['move', 'Its jobs come back'],
  over: ['idle', 'It takes jobs again'],
} as const

const JOB_TONES = { waiting: 'warn', moving: 'move', stuck: 'bad', moved: 'ok' } as const

function Maintenance({ host: { name, maintenance } }: { readonly host: HostView }) {
  const counts =
    maintenance &&
    [maintenance.phase, maintenance.waiting, maintenance.moving, maintenance.stuck, maintenance.moved].join()
  const fetched = useFetched(() => ask({ op: 'maintenance', host: name }), [name, counts])
  if (maintenance === undefined) return null
  const { phase, waiting, moving, stuck, moved } = maintenance
  const all = waiting + moving + stuck + moved
  const [tone, sentence] = PHASES[phase]
  const listed = fetched.state === 'here' ? (fetched.value.maintenance?.jobs ?? []) : []
  return (
    <Section title="Maintenance" aside={<State tone={stuck > 0 ? 'warn' : tone} word={sentence} />}>
      {all > 0 && (
        <div class="moving">
          <Bar label={`Maintenance of ${name}`} share={moved / all} tone="move" isProgress />
          <p class="small muted">
            {moved} of {all} moved, {moving} moving, {waiting} waiting, {stuck} stuck
          </p>
        </div>
      )}
      <ul class="leaving">
        {listed.map(({ workload, state, to, reason }) => (
          <li key={workload}>
            <JobLink id={workload} /> <State tone={JOB_TONES[state]} word={state} />
            {to !== undefined && <span class="muted"> → {to}</span>}
            {reason !== undefined && <p class="small muted">{reason}</p>}
          </li>
        ))}
      </ul>
    </Section>
  )
}
