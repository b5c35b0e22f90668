/**
 * What is asked about hosts, jobs and their moves, each answered by whoever knows: one job, or those who know of several.
 *
 * A request whose answer was lost may be asked again: what it made before is found, not made a second time.
 */
import { GodwitError, type HostView, type Reply } from '@godwit/protocol'
import type { Bundles } from './bundle-store.ts'
import type { JobHandlers, RequestOf } from './client-connection.ts'
import { curveOf } from './curve.ts'
import type { Estimates } from './estimates.ts'
import type { Forgetting } from './forgetting.ts'
import type { JobLogs } from './job-logs.ts'
import type { Jobs } from './jobs.ts'
import type { Maintenances } from './maintenances.ts'
import { movesPage } from './move-history.ts'
import type { MoveQueue } from './moves-waiting.ts'
import { pageOf } from './page.ts'
import type { PagePictures } from './page-pictures.ts'
import type { JobFacts } from './placement.ts'
import type { Placing } from './placing.ts'
import type { Preflights } from './preflight-look.ts'
import { Workload } from './workload.ts'
import type { Services } from './workload-life.ts'
import { listedView, type WorkloadSpec } from './workload-view.ts'

/** Those who know. */
export interface Knowing {
  readonly jobs: Jobs
  readonly services: Services
  readonly placing: Placing
  readonly forgetting: Forgetting
  readonly maintenances: Maintenances
  readonly queue: MoveQueue
  readonly estimates: Estimates
  readonly preflights: Preflights
  readonly bundles: Bundles
  readonly logs: JobLogs
  readonly pictures: PagePictures
  /** Views of hosts, made by one look at all jobs. */
  hostViews(): (name: string) => HostView
}

export function jobRequests(knowing: Knowing): JobHandlers {
  const { jobs, placing, maintenances, logs, pictures } = knowing
  return {
    hosts: ({ after, limit }) => {
      const viewOf = knowing.hostViews()
      const { views, rest } = pageOf(knowing.services.inventory.hosts(), {
        nameOf: ({ name }) => name,
        viewOf: ({ name }) => viewOf(name),
        after,
        limit,
      })
      return { hosts: views, ...rest }
    },
    workloads: ({ after, limit }) => {
      const { views, rest } = pageOf(jobs.all(), {
        nameOf: ({ id }) => id,
        viewOf: (workload) => listedView(workload.view()),
        after,
        limit,
      })
      return { workloads: views, ...rest }
    },
    workload: ({ workload }) => ({ workload: jobs.known(workload).view() }),
    run: (request) => run(knowing, request),
    follow: ({ workload: id, fromStep }, client) => {
      const workload = jobs.known(id)
      client.follow(id, workload.feed.follow(client.sink(id), fromStep))
      const { migration } = workload
      return { workload: workload.view(), ...(migration === undefined ? {} : { migration }) }
    },
    curve: ({ workload: id, ...asked }) => {
      const workload = jobs.known(id)
      return { curve: { ...curveOf(workload.feed.history, asked), ranges: workload.view().ranges } }
    },
    logs: (request) => {
      jobs.known(request.workload)
      return logs.read(request)
    },
    followLogs: (request, client) => {
      jobs.known(request.workload)
      return logs.follow(request, client)
    },
    unfollow: ({ workload }, client) => {
      jobs.known(workload)
      client.unfollow(workload)
      return {}
    },
    watchPages: ({ workload }, client) => {
      const { id } = jobs.known(workload)
      client.watchPages(id, pictures.watch(id, client.sink(id)))
      return {}
    },
    unwatchPages: ({ workload }, client) => {
      client.unwatchPages(workload)
      return {}
    },
    migrate: (request) => migrate(knowing, request),
    estimate: async ({ workload, to, options }) => ({
      estimate: await knowing.estimates.estimate({ ...jobs.known(workload).wayTo(to), options }),
    }),
    preflight: (request) => knowing.preflights.look(request),
    migration: ({ migration: id }) => {
      const migration = jobs.moves.get(id)
      if (migration === undefined) throw new GodwitError('unknown-migration', `there is no migration ${id}`)
      return { migration }
    },
    history: ({ workload, after, limit }) => {
      const { id } = jobs.known(workload)
      return movesPage(jobs.movesOf(id), { after, limit })
    },
    enterMaintenance: ({ host, force }) => maintenances.enter(host, force),
    exitMaintenance: ({ host, return: returns }) => maintenances.exit(host, returns),
    maintenance: ({ host }) => {
      const maintenance = maintenances.view(host)
      if (maintenance === undefined) knowing.services.inventory.knownHost(host)
      return maintenance === undefined ? {} : { maintenance }
    },
    checkpoint: async ({ workload }) => ({ checkpoint: await jobs.known(workload).checkpoint() }),
    cancel: async ({ workload }) => ({ migration: await jobs.known(workload).cancel() }),
    hold: async ({ workload }) => ({ migration: await jobs.known(workload).hold() }),
    switchover: async ({ workload }) => ({ migration: await jobs.known(workload).switchover() }),
    pause: async ({ workload }, { who }) => ({ migration: await jobs.known(workload).pause(who) }),
    resume: async ({ workload }) => ({ migration: await jobs.known(workload).goOn() }),
    rules: ({ workload }) => placing.rulesOf(workload),
    setRules: async ({ workload, rules }) => {
      placing.checkRules(workload, rules)
      await jobs.known(workload).setRules(rules)
      knowing.queue.poke()
      return placing.rulesOf(workload)
    },
    stop: async ({ workload }) => ({ workload: await jobs.known(workload).stop() }),
    forget: async ({ workload }) => {
      if (await knowing.forgetting.job(jobs.known(workload))) return {}
      const { id, status } = jobs.known(workload).view()
      throw new GodwitError('bad-arguments', `${id} is ${status}: stop it first with godwit stop ${id}`)
    },
  }
}

async function run(
  { jobs, placing, forgetting, bundles, logs, services }: Knowing,
  { op: _, host, id, explain, ...asked }: RequestOf<'run'>,
): Promise<Reply<'run'>> {
  // Asked for by somebody whose connection broke before the answer came.
  const made = jobs.madeBy(asked, id)
  if (made !== undefined) return { workload: await made.started() }
  if (asked.bundle !== undefined) await bundles.check(asked.bundle)
  const spec: WorkloadSpec = { id: jobs.freeId(asked.program, id), ...asked }
  const { rules = {} } = asked
  placing.checkRules(spec.id, rules)
  const job: JobFacts = { id: spec.id, host: undefined, memoryBytes: 0, rules }
  const { chosen, placement } = placing.place(job, host, explain)
  logs.begin(spec.id)
  const workload = Workload.create(spec, chosen, services)
  forgetting.replaced(spec.id)
  jobs.add(workload)
  forgetting.ended()
  return { workload: await workload.start(), ...placement }
}

async function migrate(
  { jobs, placing }: Knowing,
  { workload: id, to, options, explain }: RequestOf<'migrate'>,
): Promise<Reply<'migrate'>> {
  const workload = jobs.known(id)
  const job = workload.placed()
  // Of one that is over, or on its way there already, the workload says so.
  if (job === undefined || (to !== undefined && to === job.move?.to))
    return { migration: await workload.migrate(to ?? workload.host, options) }
  if (job.busy !== undefined || to === job.host) workload.wayTo(to ?? job.host)
  const { chosen, placement } = placing.place(job, to, explain)
  const asked = { isChosen: to === undefined }
  return { migration: await workload.migrate(chosen, options, asked), ...placement }
}
