/** `rules`: where a job may be, listed and changed while it runs. */
import { GodwitError, type PlacementRules } from '@godwit/protocol'
import { renderRules } from '../render/views.ts'
import { printJson, type Session } from '../session.ts'

export interface RulesOptions {
  require?: Record<string, string>
  with?: string[]
  apartFrom?: string[]
  /** A label's key, or a job that is named. */
  remove?: string[]
  clear?: boolean
}

export async function rules(session: Session, workload: string, options: RulesOptions): Promise<number> {
  const { client, io, json } = session
  const before = await client.request({ op: 'rules', workload })
  const isChange = Object.keys(options).length > 0
  const reply = isChange
    ? await client.request({ op: 'setRules', workload, rules: changed(before.rules, options) })
    : before
  if (json) {
    printJson(io, reply)
    return 0
  }
  const lines = renderRules(reply.rules)
  io.out(lines.length === 0 ? `${workload} may be on any host` : lines.join(', '))
  for (const sentence of reply.broken) io.err(`now: ${sentence}`)
  return 0
}

/** Errors: `bad-arguments` for one to be removed that there is not. */
export function changed(before: PlacementRules, options: RulesOptions): PlacementRules {
  const { remove = [], clear = false } = options
  const { requires = {}, with: together = [], apartFrom = [] } = clear ? {} : before
  for (const each of remove) {
    if (Object.hasOwn(requires, each) || together.includes(each) || apartFrom.includes(each)) continue
    throw new GodwitError('bad-arguments', `there is no rule about ${each}: godwit rules JOB lists them`)
  }
  const labels = Object.entries(requires).filter(([key]) => !remove.includes(key))
  const kept = (jobs: readonly string[], more: readonly string[] = []): string[] => [
    ...new Set([...jobs.filter((job) => !remove.includes(job)), ...more]),
  ]
  const next = {
    requires: { ...Object.fromEntries(labels), ...options.require },
    with: kept(together, options.with),
    apartFrom: kept(apartFrom, options.apartFrom),
  }
  return {
    ...(Object.keys(next.requires).length > 0 && { requires: next.requires }),
    ...(next.with.length > 0 && { with: next.with }),
    ...(next.apartFrom.length > 0 && { apartFrom: next.apartFrom }),
  }
}
