/**
 * What came and is not shown yet. It is put into the store once for each frame that is drawn, of each thing only the latest; while nobody looks, once
 * a second: a thousand jobs that change each second are drawn as often as a screen shows them, and no more.
 */
import type { Change } from '@godwit/protocol'
import { apply, forgetAll, isLoaded } from './store.ts'

const HIDDEN_FLUSH_MS = 1000

/** What changed since the last frame: the latest of each thing, and each event. */
let latest = new Map<string, Change>()
let happened: Change[] = []
let isCurrentSoon = false
let planned: ReturnType<typeof setTimeout> | number | undefined

/** `isCurrent`: with these all that there is has been told. */
export function collect(changes: readonly Change[], isCurrent: boolean): void {
  for (const change of changes) collectOne(change)
  isCurrentSoon ||= isCurrent
  plan()
}

function collectOne(change: Change): void {
  if (change.kind === 'event') {
    happened.push(change)
    return
  }
  const key = keyOf(change)
  // Behind whatever came meanwhile: what is last is what counts.
  latest.delete(key)
  latest.set(key, change)
}

function keyOf(change: Exclude<Change, { kind: 'event' }>): string {
  switch (change.kind) {
    case 'host':
      return `host ${change.host.name}`
    case 'workload':
      return `workload ${change.workload.id}`
    case 'migration':
      return `migration ${change.migration.id}`
    case 'gone':
      return `${change.what} ${change.id}`
  }
}

function plan(): void {
  if (planned !== undefined) return
  planned = document.hidden ? setTimeout(flush, HIDDEN_FLUSH_MS) : requestAnimationFrame(flush)
}

function flush(): void {
  planned = undefined
  const changes = [...latest.values(), ...happened]
  latest = new Map()
  happened = []
  apply(changes)
  if (isCurrentSoon) isLoaded.value = true
  isCurrentSoon = false
}

/** All that there is comes anew. */
export function startAnew(): void {
  latest = new Map()
  happened = []
  isCurrentSoon = false
  forgetAll()
}

/** A hidden page draws no frames: what was planned for one would wait until somebody looks. */
document.addEventListener('visibilitychange', () => {
  if (planned === undefined || !document.hidden) return
  cancelAnimationFrame(planned as number)
  planned = undefined
  plan()
})
