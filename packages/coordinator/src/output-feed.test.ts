/** Goal: followers get what they should, when they should. Method: a sink that can be told to be full, and fake time. */
import type { ClientEvent, WorkloadView } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { systemClock } from './clock.ts'
import { MODEST_INTERVAL_MS, OutputFeed, type Sink } from './output-feed.ts'
import { OutputHistory } from './output-history.ts'
import { outputOf } from './support/fakes.ts'

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

class FakeSink implements Sink {
  readonly events: ClientEvent[] = []
  full = false

  send(event: ClientEvent): void {
    this.events.push(event)
  }

  bufferedBytes(): number {
    return this.full ? Number.MAX_SAFE_INTEGER : 0
  }

  get kinds(): string[] {
    return this.events.map(({ kind }) => kind)
  }

  get steps(): number[] {
    return this.events.flatMap((event) =>
      event.kind === 'steps' ? event.outputs.map(({ step }) => step) : [],
    )
  }
}

const VIEW = { id: 'job' } as WorkloadView

function feedOf(steps: number, maxSteps = 1000): { feed: OutputFeed; add(count: number): void } {
  const history = new OutputHistory(maxSteps)
  const feed = new OutputFeed(history, () => VIEW, systemClock)
  const add = (count: number): void => {
    for (let index = 0; index < count; index++) history.add(outputOf(history.nextStep, 1))
    feed.stepsAdded()
  }
  add(steps)
  return { feed, add }
}

test('nothing before the start, then the backlog, then the workload', () => {
  const { feed } = feedOf(300)
  const sink = new FakeSink()
  const follower = feed.follow(sink, 0)
  feed.workloadChanged()
  expect(sink.events).toEqual([])
  follower.start()
  expect(sink.kinds).toEqual(['steps', 'steps', 'workload'])
  expect(sink.steps).toHaveLength(300)
  feed.close()
})

test('a full sink is left alone; what changes meanwhile comes after the steps', () => {
  const { feed, add } = feedOf(3)
  const sink = new FakeSink()
  sink.full = true
  feed.follow(sink, 0).start()
  add(2)
  feed.workloadChanged()
  feed.workloadChanged()
  expect(sink.events).toEqual([])
  sink.full = false
  vi.advanceTimersByTime(100)
  expect(sink.kinds).toEqual(['steps', 'workload'])
  expect(sink.steps).toEqual([0, 1, 2, 3, 4])
  feed.close()
})

test('one that falls too far behind goes on with the first step that is kept', () => {
  const { feed, add } = feedOf(4, 4)
  const sink = new FakeSink()
  sink.full = true
  feed.follow(sink, 0).start()
  add(6)
  sink.full = false
  vi.advanceTimersByTime(100)
  expect(sink.steps).toEqual([6, 7, 8, 9])
  feed.close()
})

test('a first step in the future is waited for; without one, the next is the first', () => {
  const { feed, add } = feedOf(3)
  const [later, next] = [new FakeSink(), new FakeSink()]
  feed.follow(later, 5).start()
  feed.follow(next, undefined).start()
  add(4)
  expect([later.steps, next.steps]).toEqual([
    [5, 6],
    [3, 4, 5, 6],
  ])
  feed.close()
})

test('progress alone is told at a modest rate, and never forgotten', () => {
  const { feed, add } = feedOf(1)
  const sink = new FakeSink()
  feed.follow(sink, undefined).start()
  sink.events.length = 0
  vi.advanceTimersByTime(MODEST_INTERVAL_MS)
  const told = (): number => sink.kinds.filter((kind) => kind === 'workload').length
  for (let index = 0; index < 10; index++) add(1)
  const first = told()
  vi.advanceTimersByTime(MODEST_INTERVAL_MS)
  expect(told()).toBe(first + 1)
  vi.advanceTimersByTime(10 * MODEST_INTERVAL_MS)
  expect(told()).toBe(first + 1)
  feed.close()
})

test('one that has stopped gets nothing more', () => {
  const { feed, add } = feedOf(1)
  const sink = new FakeSink()
  const follower = feed.follow(sink, undefined)
  follower.start()
  const known = sink.events.length
  follower.stop()
  add(1)
  feed.close()
  expect(sink.events).toHaveLength(known)
})
