/**
 * I1 and I4, as the disk and the processes show it: an epoch's outputs come from one process; nobody publishes under an
 * epoch that its host was not given; what an epoch took over counts under no older one; a frozen source goes on only
 * under an epoch newer than that in which it froze.
 */
import type { Happening, StoredRange } from '../happenings.ts'
import type { Oracle } from './judge.ts'

interface Books {
  /** Every range that ever was on the disk, by epoch. */
  readonly given: Map<number, StoredRange>
  /** By epoch: the process that published under it. */
  readonly publisher: Map<number, string>
  /** Of an earlier workload of the same name, which came to nothing. */
  readonly strangers: ReadonlySet<string>
  newest: StoredRange | undefined
  /** The last change of hosts. */
  moved: StoredRange | undefined
}

function newBooks(strangers: readonly string[] = []): Books {
  return {
    given: new Map(),
    publisher: new Map(),
    strangers: new Set(strangers),
    newest: undefined,
    moved: undefined,
  }
}

export const judgeEpochs: Oracle = (happenings) => {
  const books = new Map<string, Books>()
  const hosts = new Map<string, string>()
  /** By workload: its processes. */
  const workers = new Map<string, string[]>()
  const frozen = new Map<string, number>()
  const of = (workload: string): Books => {
    const known = books.get(workload) ?? newBooks()
    books.set(workload, known)
    return known
  }
  for (const happening of happenings) {
    const wrong = look(happening)
    if (wrong !== undefined) return `${wrong} (at ${happening.atMs.toFixed(1)} ms)`
  }
  return undefined

  function look(happening: Happening): string | undefined {
    switch (happening.type) {
      case 'launched':
        workers.set(happening.workload, [...(workers.get(happening.workload) ?? []), happening.worker])
        hosts.set(happening.worker, happening.host)
        return undefined
      case 'stored':
        // Begun, or begun anew under the name of one that came to nothing.
        if (happening.acceptedSteps === 0 && happening.ranges.at(-1)?.epoch === 1)
          books.set(happening.workload, newBooks(workers.get(happening.workload)))
        return storedIn(of(happening.workload), happening)
      case 'published':
        return published(of(happening.workload), happening)
      case 'accepted':
        return accepted(of(happening.workload), happening)
      case 'froze':
        frozen.set(happening.worker, happening.epoch)
        return undefined
      case 'restored':
        return restored(of(happening.workload), happening)
      case 'thawed':
        return thawed(of(happening.workload), happening)
      default:
        return undefined
    }
  }

  function published(
    { given, publisher, strangers }: Books,
    { worker, workload, step, epoch, isOwn }: Extract<Happening, { type: 'published' }>,
  ): string | undefined {
    if (!isOwn || strangers.has(worker)) return undefined
    const other = publisher.get(epoch)
    if (other !== undefined && other !== worker)
      return `I1: ${worker} publishes step ${step} of ${workload} under epoch ${epoch}, as ${other} does`
    publisher.set(epoch, worker)
    const host = hosts.get(worker)
    if (given.get(epoch)?.host !== host)
      return `I4: ${worker} publishes step ${step} of ${workload} under epoch ${epoch}, which ${host} was not given`
    return undefined
  }

  function restored(
    { given }: Books,
    { worker, workload, epoch }: Extract<Happening, { type: 'restored' }>,
  ): string | undefined {
    if (given.get(epoch)?.host === hosts.get(worker)) return undefined
    return `I4: ${worker} of ${workload} is restored under epoch ${epoch}, which its host was not given`
  }

  function thawed(
    { given }: Books,
    { worker, workload, epoch }: Extract<Happening, { type: 'thawed' }>,
  ): string | undefined {
    const before = frozen.get(worker) ?? 0
    frozen.delete(worker)
    if (epoch === undefined || epoch <= before)
      return `I4: ${worker} of ${workload} froze under epoch ${before} and steps again under ${epoch ?? 'the same'}`
    if (given.get(epoch)?.host !== hosts.get(worker))
      return `I4: ${worker} of ${workload} steps again under epoch ${epoch}, which its host was not given`
    return undefined
  }
}

function storedIn(
  books: Books,
  { workload, ranges }: Extract<Happening, { type: 'stored' }>,
): string | undefined {
  const newest = ranges.at(-1)
  if (newest === undefined) return `I5: ${workload} has no owner`
  const before = books.newest
  if (before !== undefined && newest.epoch < before.epoch)
    return `I4: epoch ${newest.epoch} of ${workload} comes after ${before.epoch}`
  if (before !== undefined && newest.epoch === before.epoch && newest.host !== before.host) {
    return `I4: epoch ${newest.epoch} of ${workload} was given to ${before.host} and to ${newest.host}`
  }
  if (before !== undefined && newest.host !== before.host) books.moved = newest
  for (const range of ranges) if (!books.given.has(range.epoch)) books.given.set(range.epoch, range)
  books.newest = newest
  return undefined
}

function accepted(
  { given, moved }: Books,
  { workload, step, epoch }: Extract<Happening, { type: 'accepted' }>,
): string | undefined {
  if (!given.has(epoch))
    return `I1: step ${step} of ${workload} counts under epoch ${epoch}, which nobody was given`
  if (moved !== undefined && step >= moved.fromStep && epoch < moved.epoch)
    return `I4: step ${step} of ${workload} counts under epoch ${epoch} although ${moved.epoch} owns from ${moved.fromStep}`
  return undefined
}
