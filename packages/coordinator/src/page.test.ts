/**
 * Goal: a list of any length is had whole, and none of its pages is longer than a message. Method: a registry that knows more jobs than one
 * page holds, all failed with the longest of errors and parameters; and a page as a law over any lists.
 */
import { encodeValue, LIMITS, REPLIES, type WorkloadView } from '@godwit/protocol'
import fc from 'fast-check'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { Ledger } from './ledger.ts'
import { MemoryStore } from './memory-store.ts'
import { OutputHistory } from './output-history.ts'
import { pageOf } from './page.ts'
import { KEYS, type WorkloadRecord, writeOf } from './records.ts'
import { Registry } from './registry.ts'
import { NO_RESTARTS } from './restart-policy.ts'
import { nobody } from './support/registry-on-clock.ts'

/** A store in which so many jobs have failed at length. */
async function failedJobs(count: number, parameters: Record<string, string> = {}): Promise<MemoryStore> {
  const store = new MemoryStore()
  for (let order = 0; order < count; order++) {
    const id = `job-${order}`
    const record: WorkloadRecord = {
      spec: { id, program: '/p.ts', parameters, steps: 3, tracker: 'compare', restartPolicy: 'never' },
      order,
      status: 'failed',
      host: 'a',
      owner: `${id}-1`,
      error: { kind: 'program-failed', message: 'x'.repeat(LIMITS.maxErrorLength) },
      stopWanted: false,
      restarts: NO_RESTARTS,
    }
    const writes = [writeOf(KEYS.workload(id), record)]
    await Ledger.fresh(id, 'a', store, new OutputHistory()).create(writes)
  }
  return store
}

/** Every page that is asked for, one after the other. */
async function pagesOf(
  store: MemoryStore,
): Promise<{ workloads: WorkloadView[]; next?: string | undefined }[]> {
  const registry = await Registry.open({ store, log: pino({ level: 'silent' }) })
  const pages = []
  let after: string | undefined
  for (;;) {
    const request = { op: 'workloads' as const, ...(after === undefined ? {} : { after }) }
    const page = REPLIES.workloads.parse(await registry.requests.workloads(request, nobody))
    pages.push(page)
    after = page.next
    if (after === undefined) break
  }
  registry.close()
  return pages
}

test('more jobs than a page holds, that failed at length, are all listed, in messages that may be sent', async () => {
  const pages = await pagesOf(await failedJobs(LIMITS.maxEndedWorkloads))
  expect(pages.length).toBeGreaterThan(1)
  const ids = pages.flatMap(({ workloads }) => workloads.map(({ id }) => id))
  expect(ids).toHaveLength(LIMITS.maxEndedWorkloads)
  expect(new Set(ids).size).toBe(LIMITS.maxEndedWorkloads)
  for (const page of pages) expect(encodeValue(page).length).toBeLessThan(LIMITS.maxControlMessageBytes)
  const message = pages[0]?.workloads[0]?.error?.message
  expect(message).toHaveLength(LIMITS.maxListedErrorLength)
  expect(message?.endsWith('…')).toBe(true)
})

test('jobs with the longest of parameters come a few at a time', async () => {
  const name = (index: number) => String(index).padEnd(LIMITS.maxNameLength, '€')
  const longest = Object.fromEntries(
    Array.from({ length: LIMITS.maxParameters }, (_, index) => [
      name(index),
      '€'.repeat(LIMITS.maxNameLength),
    ]),
  )
  const pages = await pagesOf(await failedJobs(7, longest))
  expect(pages.flatMap(({ workloads }) => workloads)).toHaveLength(7)
  for (const page of pages) expect(encodeValue(page).length).toBeLessThan(LIMITS.maxControlMessageBytes)
})

test('pages one after the other hold everything once, by name', () => {
  const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 1200 })
  fc.assert(
    fc.property(names, fc.option(fc.integer({ min: 1, max: 600 }), { nil: undefined }), (all, limit) => {
      const seen: string[] = []
      let after: string | undefined
      for (;;) {
        const { views, rest } = pageOf(all, { nameOf: (name) => name, viewOf: (name) => name, after, limit })
        seen.push(...views)
        expect(views.length).toBeLessThanOrEqual(limit ?? LIMITS.maxListed)
        if (rest.next === undefined) break
        expect(rest.next).toBe(seen.at(-1))
        expect(views.length).toBeGreaterThan(0)
        after = rest.next
      }
      expect(seen).toEqual([...all].sort((a, b) => (a < b ? -1 : 1)))
    }),
    { numRuns: 20 },
  )
})
