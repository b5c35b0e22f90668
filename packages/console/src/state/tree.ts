/**
 * The inventory as a tree: zones, racks, hosts, jobs. A pure function of what is known, and of what is unfolded and searched for: rows as they stand
 * one below the other, so that of thousands those in sight alone are drawn.
 *
 * Invariants: by name at each level; a row that is found stands below all that it belongs to; `position` and `siblings` count what is shown.
 */
import type { HostView, WorkloadView } from '@godwit/protocol'
import { isOver } from './jobs.ts'
import { hostMatches, jobMatches, type Query } from './search.ts'

export type RowKind = 'zone' | 'rack' | 'host' | 'job'

export interface TreeRow {
  /** `host a`: unique, whatever the names. */
  readonly key: string
  readonly kind: RowKind
  readonly name: string
  /** From 1, as WAI-ARIA counts. */
  readonly level: number
  readonly position: number
  readonly siblings: number
  readonly parent: string | undefined
  /** Undefined where there is nothing below. */
  readonly isOpen: boolean | undefined
  /** Jobs below that are not over. */
  readonly jobCount: number
}

interface Node {
  readonly kind: RowKind
  readonly name: string
  readonly label: string
  readonly children: Node[]
  jobCount: number
}

export interface TreeOptions {
  /** Keys of rows that a person folded; all others are open. */
  readonly folded: ReadonlySet<string>
  readonly query: Query
  /** Jobs that are over, too; those that failed are shown anyway. */
  readonly withOver: boolean
}

export function treeRows(
  hosts: readonly HostView[],
  jobs: readonly WorkloadView[],
  { folded, query, withOver }: TreeOptions,
): TreeRow[] {
  const byHost = new Map<string, WorkloadView[]>()
  for (const job of jobs) {
    const isShown = withOver || !isOver(job) || job.status === 'failed' || !query.isEmpty
    if (!isShown) continue
    const there = byHost.get(job.host)
    if (there === undefined) byHost.set(job.host, [job])
    else there.push(job)
  }
  const zones = new Map<string, Node>()
  for (const host of hosts) addHost(zones, host, byHost.get(host.name) ?? [], query)
  const rows: TreeRow[] = []
  flatten(
    [...zones.values()],
    { level: 1, parent: undefined, folded: query.isEmpty ? folded : new Set() },
    rows,
  )
  return rows
}

function addHost(
  zones: Map<string, Node>,
  host: HostView,
  jobs: readonly WorkloadView[],
  query: Query,
): void {
  const isFound = hostMatches(query, host)
  const below = isFound ? jobs : jobs.filter((job) => jobMatches(query, job))
  if (!isFound && below.length === 0) return
  const node: Node = {
    kind: 'host',
    name: host.name,
    label: host.name,
    children: below.map(({ id }) => ({ kind: 'job', name: id, label: id, children: [], jobCount: 0 })),
    jobCount: below.filter((job) => !isOver(job)).length,
  }
  const [zoneName, rackName] = host.faultDomain.split('/', 2) as [string, string | undefined]
  const zone = childOf(zones, { kind: 'zone', name: zoneName, label: zoneName })
  zone.jobCount += node.jobCount
  if (rackName === undefined) {
    zone.children.push(node)
    return
  }
  let rack = zone.children.find(({ kind, name }) => kind === 'rack' && name === host.faultDomain)
  if (rack === undefined) {
    rack = { kind: 'rack', name: host.faultDomain, label: rackName, children: [], jobCount: 0 }
    zone.children.push(rack)
  }
  rack.jobCount += node.jobCount
  rack.children.push(node)
}

function childOf(
  nodes: Map<string, Node>,
  { kind, name, label }: Pick<Node, 'kind' | 'name' | 'label'>,
): Node {
  const known = nodes.get(name)
  if (known !== undefined) return known
  const made: Node = { kind, name, label, children: [], jobCount: 0 }
  nodes.set(name, made)
  return made
}

interface Around {
  readonly level: number
  readonly parent: string | undefined
  readonly folded: ReadonlySet<string>
}

function flatten(nodes: Node[], around: Around, rows: TreeRow[]): void {
  const { level, parent, folded } = around
  nodes.sort((a, b) => compareNames(a.label, b.label))
  for (const [index, { kind, name, label, children, jobCount }] of nodes.entries()) {
    const key = `${kind} ${name}`
    const isOpen = children.length === 0 ? undefined : !folded.has(key)
    rows.push({
      key,
      kind,
      name: label,
      level,
      position: index + 1,
      siblings: nodes.length,
      parent,
      isOpen,
      jobCount,
    })
    if (isOpen === true) flatten(children, { level: level + 1, parent: key, folded }, rows)
  }
}

const collator = new Intl.Collator('en', { numeric: true })

/** `host-2` before `host-10`. */
export function compareNames(a: string, b: string): number {
  return collator.compare(a, b)
}
