/**
 * The benchmark's command line: what to run, checked before anything is started. `--help` is made from the same tables.
 */
import { parseArgs } from 'node:util'
import type { AccessOptions } from '@godwit/cli'
import { type MigrationOptions, migrationOptions } from '@godwit/protocol'
import { type BenchCase, benchCase, CASE_NAMES } from './cases.ts'
import { LINK_NAMES } from './links.ts'

export const METHODS = ['precopy', 'stopcopy', 'restart'] as const
export type Method = (typeof METHODS)[number]
export const REST = 'rest'
const TRACKERS = ['auto', 'userfaultfd', 'compare'] as const
const DEFAULT_REST = 'mnist-mlp'
const DEFAULT_CASES = ['idle', 'sparse', 'dense', 'adam']
/** A move that does not come to its switchover by itself is made to. */
const DEFAULT_TIMEOUT_MS = 60_000

export interface BenchArguments {
  readonly cases: readonly BenchCase[]
  /** Whether to compare, besides, a job at rest with the program alone: this case's. */
  readonly rest: BenchCase | undefined
  readonly links: readonly string[]
  readonly methods: readonly Method[]
  readonly runs: number
  /** Whether each is done in the clear, with TLS, or both, one after the other. */
  readonly secured: readonly boolean[]
  readonly tracker: (typeof TRACKERS)[number]
  /** What the person asked of the migration, over what the case asks. */
  readonly options: Partial<MigrationOptions>
  readonly json: boolean
  /** Where the chart goes. */
  readonly chart: string | undefined
  readonly cluster: BenchCluster | undefined
}

/** One that runs, and what lets the benchmark in: as the `godwit` command. */
export interface BenchCluster extends AccessOptions {
  readonly from: string
  readonly to: string
}

/** A person's mistake: its message says what is wrong, the exit code is 2. */
export class Misuse extends Error {}

/** Undefined when help was asked for. */
export function parseArguments(args: readonly string[]): BenchArguments | undefined {
  const values = parsed(args)
  if (values.help) return undefined
  const names = values.case ?? DEFAULT_CASES
  const arenaMib = number(values['arena-mib'], '--arena-mib', 1)
  const caseOf = (name: string): BenchCase => {
    const found = benchCase(name, arenaMib)
    if (found === undefined) throw new Misuse(`--case ${name}: choose ${[...CASE_NAMES, REST].join(', ')}`)
    return found
  }
  const methods = (values.method ?? ['precopy']).map((name) => oneOf(name, '--method', METHODS))
  const cluster = clusterFrom(values)
  if (cluster !== undefined && (methods.includes('restart') || names.includes(REST)))
    throw new Misuse(`on a cluster there is neither --method restart nor --case ${REST}`)
  if (cluster !== undefined && values.tls)
    throw new Misuse('--tls is of hosts that the benchmark makes: a cluster is secured or it is not')
  if (values.program !== undefined && !names.includes(REST))
    throw new Misuse(`--program is of --case ${REST}: a program to move is a case, --case ${values.program}`)
  return {
    cases: names.filter((name) => name !== REST).map(caseOf),
    rest: names.includes(REST) ? caseOf(values.program ?? DEFAULT_REST) : undefined,
    links: (values.link ?? ['loopback']).map((name) => oneOf(name, '--link', LINK_NAMES)),
    methods,
    runs: number(values.runs, '--runs', 1) as number,
    secured: values.tls ? [false, true] : [false],
    tracker: oneOf(values.tracker, '--tracker', TRACKERS),
    options: migrationFrom(values),
    json: values.json,
    chart: values.chart,
    cluster,
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        case: { type: 'string', multiple: true },
        link: { type: 'string', multiple: true },
        method: { type: 'string', multiple: true },
        runs: { type: 'string', default: '5' },
        json: { type: 'boolean', default: false },
        chart: { type: 'string' },
        tls: { type: 'boolean', default: false },
        program: { type: 'string' },
        'arena-mib': { type: 'string' },
        tracker: { type: 'string', default: 'auto' },
        'park-point': { type: 'string' },
        codec: { type: 'string' },
        streams: { type: 'string' },
        'max-bandwidth': { type: 'string' },
        'downtime-limit-ms': { type: 'string' },
        'max-downtime-ms': { type: 'string' },
        'on-stall': { type: 'string' },
        'timeout-ms': { type: 'string' },
        coordinator: { type: 'string', default: process.env.GODWIT_COORDINATOR ?? 'ws://127.0.0.1:7070' },
        'token-file': { type: 'string' },
        insecure: { type: 'boolean', default: false },
        from: { type: 'string' },
        to: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (error) {
    throw new Misuse((error as Error).message)
  }
}

type Values = ReturnType<typeof parsed>

/** Checked by the schema that a migration's options have everywhere. */
function migrationFrom(values: Values): Partial<MigrationOptions> {
  const asked = {
    downtimeLimitMs: number(values['downtime-limit-ms'], '--downtime-limit-ms'),
    maxDowntimeMs: number(values['max-downtime-ms'], '--max-downtime-ms'),
    parkPoint: values['park-point'],
    codec: values.codec,
    streams: number(values.streams, '--streams', 1),
    maxBandwidth: number(values['max-bandwidth'], '--max-bandwidth'),
    onStall: values['on-stall'],
    timeoutMs: number(values['timeout-ms'], '--timeout-ms') ?? DEFAULT_TIMEOUT_MS,
    onTimeout: 'force',
  }
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
  const checked = migrationOptions.safeParse(given)
  if (checked.success) return given as Partial<MigrationOptions>
  const issue = checked.error.issues[0]
  throw new Misuse(`${String(issue?.path[0])}: ${issue?.message}`)
}

function clusterFrom({
  from,
  to,
  coordinator,
  insecure,
  'token-file': tokenFile,
}: Values): BenchArguments['cluster'] {
  if (from === undefined && to === undefined) return undefined
  if (from === undefined || to === undefined) throw new Misuse('--from and --to belong together')
  return { from, to, coordinator, insecure, ...(tokenFile !== undefined && { tokenFile }) }
}

function number(text: string | undefined, flag: string, least = 0): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  const isWhole = least === 0 || Number.isInteger(value)
  if (text.trim() !== '' && Number.isFinite(value) && value >= least && isWhole) return value
  throw new Misuse(
    `${flag} ${text}: give ${least === 0 ? 'a number' : `a whole number of at least ${least}`}`,
  )
}

function oneOf<Choice extends string>(name: string, flag: string, choices: readonly Choice[]): Choice {
  const found = choices.find((choice) => choice === name)
  if (found === undefined) throw new Misuse(`${flag} ${name}: choose ${choices.join(', ')}`)
  return found
}

export function helpText(): string {
  const width = Math.max(...CASE_NAMES.map((name) => name.length))
  const cases = CASE_NAMES.map((name) => {
    const { text, downtimeLimitMs } = benchCase(name) as BenchCase
    return `  ${name.padEnd(width)}  ${text}; downtime limit ${downtimeLimitMs} ms`
  })
  return `npm run -s bench -- [options]: moves a job between two real worker processes, again and again, and says what it cost.

  --case NAME      may be given several times, like --link and --method (default: ${DEFAULT_CASES.join(', ')})
  --link NAME      ${LINK_NAMES.join(', ')} (default: loopback)
  --method NAME    ${METHODS.join(', ')} (default: precopy)
  --runs N         moves of each (default: 5)
  --tls            each once more with TLS between the hosts, and what that costs
  --json           a line of JSON for each run, and one of their medians
  --chart FILE     where the chart goes, without --json (default: in the temporary folder)
  --arena-mib N    another size for a synthetic case
  --program NAME   of --case ${REST}: a job that doesn't move beside the program alone, by turns (default: ${DEFAULT_REST})
  --from HOST --to HOST [--coordinator URL]
                   on a running cluster, whose hosts know the case's program; a secured one is shown GODWIT_TOKEN,
                   or what --token-file FILE holds; one in the clear off this machine needs --insecure
  --tracker ${TRACKERS.join('|')}
  --park-point auto|boundary|preApply   --codec auto|raw|xor   --streams N   --max-bandwidth BYTES_A_SECOND
  --downtime-limit-ms N   --max-downtime-ms N   --on-stall wait|raiseLimit|throttle|giveUp   --timeout-ms N
                   of the migration; one that has not switched over within --timeout-ms (${DEFAULT_TIMEOUT_MS}) is made to

Cases:
${cases.join('\n')}`
}
