/**
 * Goal: whoever looks at a job that moves sees its pages being sent, 65,536 of them, and nobody is shown anything who does not. Method: real
 * processes; a move is held, so that its rounds go on, and is looked at, not looked at, and looked at again.
 */
import { CoordinatorClient } from '@godwit/client'
import {
  type ClientEvent,
  cellsInRuns,
  LIMITS,
  PAGE_DIRTY,
  PAGE_LEFT,
  PAGE_SENT,
  type ShownPicture,
} from '@godwit/protocol'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Cluster } from './support/cluster.ts'

const PAGES = 65_536
/** Many more than this takes. */
const STEPS = 100_000

let cluster: Cluster
let client: CoordinatorClient
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }, { name: 'b' }])
  client = await CoordinatorClient.connect(cluster.url)
})
afterAll(async () => {
  client?.close()
  await cluster?.end()
})

/** What came, and a promise of what will. */
class Seen {
  readonly events: ClientEvent[] = []
  #wake = (): void => {}

  constructor() {
    client.listen((_, event) => {
      this.events.push(event)
      this.#wake()
    })
  }

  get pictures(): ShownPicture[] {
    return this.events.flatMap((event) => (event.kind === 'pages' ? [event] : []))
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Changes of the move: each is a sign that time has gone by at its source. */
  progresses(from: number): number {
    return this.events.slice(from).filter(({ kind }) => kind === 'migration').length
  }
}

function cellsIn({ pageCount, pagesPerCell, runs }: ShownPicture): Uint8Array {
  return cellsInRuns({ pageCount, pagesPerCell, runs: Buffer.from(runs, 'base64') })
}

test('the pages of a move, as long as somebody looks', { timeout: 300_000 }, async () => {
  const parameters = ['seed=3', `pages=${PAGES}`, 'dirtyPages=600', 'stepMs=30']
  const params = parameters.flatMap((each) => ['--param', each])
  await cluster.run('mixer', 'a', 'job', '--steps', String(STEPS), ...params)
  const seen = new Seen()
  await client.request({ op: 'follow', workload: 'job' })
  await client.request({ op: 'watchPages', workload: 'job' })
  const { migration } = await client.request({
    op: 'migrate',
    workload: 'job',
    to: 'b',
    // So slow that round 0 is seen while it goes on.
    options: { hold: true, maxBandwidth: 100_000_000 },
  })
  const has = (state: number): boolean =>
    seen.pictures.some((picture) => picture.round > 0 && cellsIn(picture).includes(state))
  await seen.until(() => has(PAGE_DIRTY) && has(PAGE_SENT + 1))
  const { pictures } = seen
  for (const picture of pictures) {
    expect(picture).toMatchObject({ migration: migration.id, pageCount: PAGES, pagesPerCell: 4 })
    expect(cellsIn(picture)).toHaveLength(LIMITS.maxPictureCells)
  }
  const rounds = pictures.map(({ round }) => round)
  expect(rounds).toEqual([...rounds].sort((a, b) => a - b))
  const early = pictures.filter(({ round }) => round === 0).map(cellsIn)
  expect(early.some((cells) => cells.includes(PAGE_LEFT) && cells.includes(PAGE_SENT))).toBe(true)
  const late = pictures.filter(({ round }) => round > 0).map(cellsIn)
  for (const cells of late) expect(cells.includes(PAGE_LEFT)).toBe(false)

  await client.request({ op: 'unwatchPages', workload: 'job' })
  const before = seen.events.length
  await seen.until(() => seen.progresses(before) >= 20)
  expect(seen.events.slice(before).filter(({ kind }) => kind === 'pages')).toEqual([])

  const again = seen.events.length
  await client.request({ op: 'watchPages', workload: 'job' })
  await seen.until(() => seen.events.slice(again).some(({ kind }) => kind === 'pages'))
  await client.request({ op: 'switchover', workload: 'job' })
  const isOver = (): boolean =>
    seen.events.some((event) => event.kind === 'migration' && event.migration.status === 'completed')
  await seen.until(isOver)
  await client.request({ op: 'stop', workload: 'job' })
})
