/**
 * A job's placement rules, as they are changed while it lives, and what breaks them where it is now.
 *
 * Rules say where a job may go. What is broken by a new rule is said and stays: to move a job is somebody's own wish, and the next move,
 * a maintenance's too, keeps them.
 */
import { GodwitError, type PlacementRules, type Reply } from '@godwit/protocol'
import { checkRules, type HostFacts, type JobFacts, place, reasonsOf, refusalsAt } from './placement.ts'

export interface RulesEdge {
  /** That is not over. Errors: `unknown-workload`. */
  job(id: string): JobFacts | undefined
  hosts(): readonly HostFacts[]
  jobs(): readonly JobFacts[]
}

/** Errors: `bad-arguments` for rules that nothing could keep, alone or with those of another job, `unknown-workload` for one that names nobody. */
export function checkJobRules(id: string, rules: PlacementRules, { job }: Pick<RulesEdge, 'job'>): void {
  checkRules(id, rules)
  for (const named of rules.apartFrom ?? []) {
    if (job(named)?.rules.with?.includes(id) === true)
      throw contradiction(id, 'apart from', named, `${named} must be with ${id}`)
  }
  for (const named of rules.with ?? []) {
    if (job(named)?.rules.apartFrom?.includes(id) === true)
      throw contradiction(id, 'with', named, `${named} must be apart from ${id}`)
  }
}

function contradiction(id: string, how: string, other: string, why: string): GodwitError {
  return new GodwitError(
    'bad-arguments',
    `${id} cannot be ${how} ${other}: ${why}. Change the rules of ${other} first (godwit rules ${other})`,
  )
}

/** The rules of a job, and what breaks them now: in sentences. */
export function rulesOf(job: JobFacts, edge: Pick<RulesEdge, 'hosts' | 'jobs'>): Reply<'rules'> {
  const { rules, id } = job
  const hosts = edge.hosts()
  const jobs = edge.jobs()
  const present = hosts.find(({ name }) => name === job.host)
  const { labels, rules: broken } = present === undefined ? {} : refusalsAt(present, job, jobs)
  const { chosen, verdicts } = place({ ...job, host: undefined }, hosts, jobs)
  const nowhere = `no host may take ${id} now: ${reasonsOf(verdicts)}`
  const isBroken = labels !== undefined || broken !== undefined
  return {
    rules,
    broken: [
      ...(labels === undefined ? [] : [labels]),
      ...(broken === undefined ? [] : [broken]),
      ...(chosen === undefined && isBroken ? [nowhere] : []),
    ],
  }
}
