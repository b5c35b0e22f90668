/** `tasks`, `events` and `top`: what is under way, what has happened, and all of it as it changes. */
import { watchChanges } from '@godwit/client'
import type { Change, HostView, MigrationView, WorkloadView } from '@godwit/protocol'
import { renderHappening, renderTasks } from '../render/happenings.ts'
import { ENDED, renderProgress } from '../render/progress.ts'
import { ENDED_WORKLOAD, renderHosts, renderWorkloads } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'
import { show, type WatchOptions } from './inventory.ts'

export async function tasks(session: Session, { watch }: WatchOptions): Promise<number> {
  return show(session, watch, async (client) => {
    const reply = await client.request({ op: 'tasks' })
    return { json: reply, lines: renderTasks(reply.tasks) }
  })
}

export interface EventsOptions {
  limit: number
  follow?: boolean
}

/** The latest, the oldest of them first; followed, each one more as it happens, until Ctrl-C. */
export async function events(session: Session, { limit, follow = false }: EventsOptions): Promise<number> {
  const { io, json } = session
  const { events: latest } = await session.client.request({ op: 'events', limit })
  if (json && !follow) {
    printJson(io, { events: latest })
    return 0
  }
  const print = (event: (typeof latest)[number]): void => {
    if (json) printJson(io, event)
    else io.out(renderHappening(event))
  }
  for (const event of latest) print(event)
  if (!follow) return 0
  return watchChanges(session, {
    kinds: ['event'],
    after: latest.at(-1)?.cursor,
    changed: (change) => {
      if (change.kind === 'event') print(change.event)
    },
    current: () => {},
    reset: () =>
      io.err(
        'this is another coordinator than before, or it has forgotten some: these are all that it knows',
      ),
  })
}

/** Between two looks at what has changed. */
const REDRAW_MS = 500

/** What there is, kept as it is told. */
class Picture {
  readonly hosts = new Map<string, HostView>()
  readonly workloads = new Map<string, WorkloadView>()
  readonly migrations = new Map<string, MigrationView>()

  change(change: Change): void {
    if (change.kind === 'host') this.hosts.set(change.host.name, change.host)
    else if (change.kind === 'workload') this.workloads.set(change.workload.id, change.workload)
    else if (change.kind === 'migration') this.migrations.set(change.migration.id, change.migration)
    else if (change.kind === 'gone') {
      const of = { host: this.hosts, workload: this.workloads, migration: this.migrations }
      of[change.what].delete(change.id)
    }
  }

  clear(): void {
    for (const each of [this.hosts, this.workloads, this.migrations]) each.clear()
  }

  /** Jobs that are not over, the fastest first. */
  get running(): WorkloadView[] {
    const running = [...this.workloads.values()].filter(({ status }) => !ENDED_WORKLOAD.includes(status))
    return running.sort((a, b) => (b.stepsPerSecond ?? 0) - (a.stepsPerSecond ?? 0) || (a.id < b.id ? -1 : 1))
  }

  get moving(): MigrationView[] {
    return [...this.migrations.values()].filter(({ status }) => !ENDED.includes(status))
  }

  get sortedHosts(): HostView[] {
    return [...this.hosts.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}

/** On a terminal drawn again as it changes, until Ctrl-C; with --json a line each time; elsewhere once. */
export async function top(session: Session): Promise<number> {
  const { io, json } = session
  const picture = new Picture()
  let timer: NodeJS.Timeout | undefined
  let isKnown: () => void = () => {}
  const known = new Promise<void>((resolve) => {
    isKnown = resolve
  })
  const draw = (): void => {
    timer = undefined
    const { sortedHosts, running, moving } = picture
    if (json) printJson(io, { hosts: sortedHosts, workloads: running, migrations: moving })
    else io.screen(linesOf(picture))
  }
  const watching = watchChanges(session, {
    kinds: ['host', 'workload', 'migration'],
    changed: (change) => picture.change(change),
    current: () => {
      isKnown()
      if (json || io.columns !== undefined) timer ??= setTimeout(draw, REDRAW_MS)
    },
    reset: () => picture.clear(),
  })
  try {
    await Promise.race([known, watching])
    clearTimeout(timer)
    draw()
    return json || io.columns !== undefined ? await watching : 0
  } finally {
    clearTimeout(timer)
  }
}

function linesOf(picture: Picture): string[] {
  const { sortedHosts, running, moving } = picture
  const rate = running.reduce((sum, { stepsPerSecond = 0 }) => sum + stepsPerSecond, 0)
  return [
    `${sortedHosts.length} hosts, ${running.length} jobs under way, ${moving.length} moves, ${rate.toFixed(1)} steps/s`,
    '',
    ...renderHosts(sortedHosts),
    ...(moving.length === 0 ? [] : ['', ...moving.map((view) => renderProgress(view))]),
    '',
    ...renderWorkloads(running, Date.now()),
  ]
}
