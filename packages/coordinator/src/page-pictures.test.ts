/**
 * Goal: whoever looks is shown the pages of the move that is under way, as its source says them, and of nothing else; nobody is asked for them while nobody
 * looks. Method: a real coordinator with agents and workers that play their parts, good and bad; and a clock of the test's own.
 */
import {
  type ClientEvent,
  cellsInRuns,
  LIMITS,
  type PagePicture,
  runsOfCells,
  type ToWorker,
} from '@godwit/protocol'
import { describe, expect, test } from 'vitest'
import { systemClock } from './clock.ts'
import { type MovingJob, PagePictures } from './page-pictures.ts'
import { FakeClient, type FakeWorker } from './support/fakes.ts'
import { client, moving, port, training, useCoordinator } from './support/scene.suite.ts'

function pictureOf(cells: readonly number[], round = 0): PagePicture {
  return { pageCount: cells.length, pagesPerCell: 1, round, runs: runsOfCells(Uint8Array.from(cells)) }
}

type Shown = Extract<ClientEvent, { kind: 'pages' }>

function cellsIn({ pageCount, pagesPerCell, runs }: Shown): number[] {
  return [...cellsInRuns({ pageCount, pagesPerCell, runs: Buffer.from(runs, 'base64') })]
}

describe('over the wire', () => {
  useCoordinator()

  async function shown(who: FakeClient): Promise<Shown> {
    const { event } = await who.events.next(({ event }) => event.kind === 'pages')
    return event as Shown
  }

  function show(worker: FakeWorker, migrationId: string, cells: readonly number[], round = 0): void {
    worker.say({ type: 'pages', migrationId, picture: pictureOf(cells, round) })
  }

  test('whoever looks is shown what the source says, again as long as it looks, and so is another at once', async () => {
    const { source, migration } = await moving()
    await client.ask({ op: 'watchPages', workload: 'job' })
    expect(await source.told('showPages')).toEqual({ type: 'showPages', migrationId: migration.id })
    show(source, migration.id, [0, 1, 2, 3], 1)
    const first = await shown(client)
    expect([first.migration, first.round, cellsIn(first)]).toEqual([migration.id, 1, [0, 1, 2, 3]])
    await source.told('showPages')
    const other = await FakeClient.connect(port)
    await other.ask({ op: 'watchPages', workload: 'job' })
    expect(await shown(other)).toEqual(first)
    // One has seen enough: the other goes on.
    await client.ask({ op: 'unwatchPages', workload: 'job' })
    const before = client.events.all.length
    show(source, migration.id, [3, 3, 3, 3], 2)
    expect(cellsIn(await shown(other))).toEqual([3, 3, 3, 3])
    await client.ask({ op: 'unwatchPages', workload: 'job' })
    expect(client.events.all.slice(before).filter(({ event }) => event.kind === 'pages')).toEqual([])
  })

  test('nothing is shown that is of another move, from another worker, or no picture', async () => {
    const { source, target, migration } = await moving()
    await client.ask({ op: 'watchPages', workload: 'job' })
    show(source, 'm-other', [9])
    show(target, migration.id, [9])
    for (const picture of [
      { ...pictureOf([9, 9]), pageCount: 3 },
      { ...pictureOf([9, 9]), runs: Uint8Array.of(9) },
      { ...pictureOf([9]), pageCount: 1_048_576 },
    ])
      source.say({ type: 'pages', migrationId: migration.id, picture })
    show(source, migration.id, [3])
    expect(cellsIn(await shown(client))).toEqual([3])
  })

  test('of a job that does not move nobody is asked anything, nor of one that is not there', async () => {
    const { source } = await training()
    await client.ask({ op: 'watchPages', workload: 'job' })
    await expect(client.ask({ op: 'watchPages', workload: 'none' })).rejects.toMatchObject({
      kind: 'unknown-workload',
    })
    show(source, 'm-1', [3])
    source.steps(1, 3, 5)
    await client.steps(2)
    expect(client.events.all.some(({ event }) => event.kind === 'pages')).toBe(false)
  })

  test('looking twice is looking once, and one may look away from what is gone', async () => {
    await training()
    for (const _ of [1, 2]) await client.ask({ op: 'watchPages', workload: 'job' })
    for (const workload of ['job', 'job', 'gone'])
      expect(await client.ask({ op: 'unwatchPages', workload })).toEqual({})
  })
})

describe('by a clock of its own', () => {
  class Scene {
    job: MovingJob = { migration: { id: 'm-1', status: 'active' }, source: { workerId: 'w-1' } }
    readonly told: ToWorker[] = []
    readonly #timers = new Set<() => void>()
    readonly pictures = new PagePictures({
      clock: {
        ...systemClock,
        after: (delayMs, action) => {
          expect(delayMs).toBe(LIMITS.askPicturesEveryMs)
          this.#timers.add(action)
          return () => this.#timers.delete(action)
        },
      },
      job: (id) => (id === 'job' ? this.job : undefined),
      tell: (_, message) => this.told.push(message),
    })

    /** Returns how many waited for it. */
    turn(): number {
      const due = [...this.#timers]
      this.#timers.clear()
      for (const action of due) action()
      return due.length
    }
  }

  function sink(bufferedBytes = 0): {
    shown: ClientEvent[]
    send(event: ClientEvent): void
    bufferedBytes(): number
  } {
    const shown: ClientEvent[] = []
    return { shown, send: (event) => shown.push(event), bufferedBytes: () => bufferedBytes }
  }

  test('the source is asked once a second while anybody looks and rounds are sent, and nothing is asked afterwards', () => {
    const scene = new Scene()
    const [one, other] = [scene.pictures.watch('job', sink()), scene.pictures.watch('job', sink())]
    expect(scene.told).toHaveLength(0)
    one.start()
    other.start()
    scene.told.length = 0
    expect([scene.turn(), scene.told.length]).toEqual([1, 1])
    for (const status of ['queued', 'setup', 'switchover', 'completed', 'cancelling', 'failed'] as const) {
      scene.job = { ...scene.job, migration: { id: 'm-1', status } }
      expect([scene.turn(), scene.told.length], status).toEqual([1, 1])
    }
    scene.job = { ...scene.job, migration: { id: 'm-2', status: 'preSwitchover' } }
    one.stop()
    one.stop()
    scene.turn()
    expect(scene.told.at(-1)).toEqual({ type: 'showPages', migrationId: 'm-2' })
    other.stop()
    expect(scene.turn()).toBe(0)
  })

  test('one who reads slowly is shown fewer, and nothing is kept for it', () => {
    const scene = new Scene()
    const [slow, quick] = [sink(LIMITS.maxWaitingPictureBytes + 1), sink()]
    for (const each of [slow, quick]) scene.pictures.watch('job', each).start()
    scene.pictures.heard('job', 'w-1', { migrationId: 'm-1', picture: pictureOf([1]) })
    expect([slow.shown.length, quick.shown.length]).toEqual([0, 1])
  })

  test('another worker than the one that owns the job shows nothing', () => {
    const scene = new Scene()
    const viewer = sink()
    scene.pictures.watch('job', viewer).start()
    scene.pictures.heard('job', 'w-2', { migrationId: 'm-1', picture: pictureOf([1]) })
    expect(viewer.shown).toEqual([])
  })

  test('what was shown of an earlier move is not shown of the next', () => {
    const scene = new Scene()
    scene.pictures.watch('job', sink()).start()
    scene.pictures.heard('job', 'w-1', { migrationId: 'm-1', picture: pictureOf([1]) })
    scene.job = { ...scene.job, migration: { id: 'm-2', status: 'active' } }
    const late = sink()
    scene.pictures.watch('job', late).start()
    expect(late.shown).toEqual([])
    scene.pictures.heard('job', 'w-1', { migrationId: 'm-1', picture: pictureOf([1]) })
    expect(late.shown).toEqual([])
  })
})
