/** Jobs as a table, all of them or those of one host. */
import type { WorkloadView } from '@godwit/protocol'
import { jobState } from '../state/jobs.ts'
import { moves } from '../state/store.ts'
import { type Column, DataTable } from '../ui/data-table.tsx'
import { JobLink } from '../ui/link.tsx'
import { JobHost, JobLoss, JobSpeed, JobState, JobSteps } from './cells.tsx'

const COLUMNS: readonly Column<WorkloadView>[] = [
  { name: 'Job', keyOf: ({ id }) => id, cell: ({ id }) => <JobLink id={id} /> },
  {
    name: 'State',
    keyOf: (job) => jobState(job, job.migration === undefined ? undefined : moves.peek(job.migration)).word,
    cell: ({ id }) => <JobState id={id} />,
  },
  { name: 'Host', keyOf: ({ host }) => host, cell: ({ id }) => <JobHost id={id} /> },
  {
    name: 'Program',
    isMinor: true,
    keyOf: ({ program }) => program,
    cell: ({ program }) => <span class="muted">{program}</span>,
  },
  {
    name: 'Steps',
    isNumber: true,
    keyOf: ({ acceptedSteps, steps }) => acceptedSteps / Math.max(1, steps),
    cell: ({ id }) => <JobSteps id={id} />,
  },
  { name: 'Loss', isNumber: true, keyOf: ({ loss }) => loss, cell: ({ id }) => <JobLoss id={id} /> },
  {
    name: 'Speed',
    isNumber: true,
    isMinor: true,
    keyOf: ({ stepsPerSecond }) => stepsPerSecond,
    cell: ({ id }) => <JobSpeed id={id} />,
  },
]

const COLUMNS_OF_HOST = COLUMNS.filter(({ name }) => name !== 'Host')

interface JobTableProps {
  readonly jobs: readonly WorkloadView[]
  readonly nothing: string
  /** Where all are on one host. */
  readonly isOfHost?: boolean
}

export function JobTable({ jobs, nothing, isOfHost }: JobTableProps) {
  const columns = isOfHost === true ? COLUMNS_OF_HOST : COLUMNS
  return (
    <DataTable
      caption="Jobs"
      columns={columns}
      items={jobs}
      idOf={({ id }) => id}
      first={{ column: 'Job', isDown: false }}
      nothing={nothing}
    />
  )
}
