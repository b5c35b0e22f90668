/**
 * Goal: a program is told of each move once, its delay is counted in steps, and whatever its hooks do harms nobody. Method: hooks of all
 * kinds, told at boundaries that are counted here.
 */
import { expect, test, vi } from 'vitest'
import type { HearsOfMoves, MigrationNotice } from './contract.ts'
import { Notices } from './notices.ts'
import type { FromThread } from './thread-messages.ts'

function notices(program: HearsOfMoves): { told: Notices; answers: FromThread[] } {
  const answers: FromThread[] = []
  return { told: new Notices(program, (answer) => answers.push(answer)), answers }
}

const notice = (number: number) =>
  ({ type: 'notice', notice: number, from: 'a', to: 'b', expectedDowntimeMs: 20 }) as const

test('it is told at the next boundary what it can use, can change none of it, and answers at once', () => {
  const heard: MigrationNotice[] = []
  const { told, answers } = notices({
    onMigrating(said) {
      heard.push(said)
      return undefined
    },
  })
  told.atBoundary(6)
  told.add(notice(1))
  told.atBoundary(7)
  told.atBoundary(8)
  expect(heard).toEqual([{ from: 'a', to: 'b', step: 7, expectedDowntimeMs: 20 }])
  expect(Object.isFrozen(heard[0])).toBe(true)
  expect(answers).toEqual([{ type: 'noticed', notice: 1, failed: false }])
})

test('its delay is over when so many steps are applied', () => {
  const { told, answers } = notices({ onMigrating: () => ({ afterSteps: 3 }) })
  told.add(notice(1))
  for (const step of [10, 10, 11, 12]) told.atBoundary(step)
  expect(answers).toEqual([])
  told.atBoundary(13)
  told.atBoundary(14)
  expect(answers).toEqual([{ type: 'noticed', notice: 1, failed: false }])
})

test('another notice takes the place of the one before, and staying of both', () => {
  const stayed = vi.fn()
  const { told, answers } = notices({ onMigrating: () => ({ afterSteps: 2 }), onStaying: stayed })
  told.add(notice(1))
  told.atBoundary(10)
  told.add(notice(2))
  told.atBoundary(11)
  told.atBoundary(12)
  expect(answers).toEqual([])
  told.atBoundary(13)
  expect(answers).toEqual([{ type: 'noticed', notice: 2, failed: false }])
  told.add(notice(3))
  told.add({ type: 'stays' })
  for (const step of [14, 16, 18]) told.atBoundary(step)
  expect([answers.length, stayed.mock.calls.length]).toEqual([1, 1])
})

test.each<readonly [string, string, () => unknown]>([
  [
    'throws',
    'Error: no way',
    () => {
      throw new Error('no way')
    },
  ],
  ['promises', 'onMigrating returned a promise', () => Promise.reject(new Error('late'))],
  ['half steps', 'onMigrating returned something else', () => ({ afterSteps: 0.5 })],
  ['steps back', 'onMigrating returned something else', () => ({ afterSteps: -1 })],
  ['endless steps', 'onMigrating returned something else', () => ({ afterSteps: Number.POSITIVE_INFINITY })],
  ['a veto', 'onMigrating returned something else', () => false],
])('%s: the answer comes at once, and what was wrong is for the log', (_, reason, onMigrating) => {
  const { told, answers } = notices({ onMigrating: onMigrating as never })
  told.add(notice(1))
  told.atBoundary(10)
  told.atBoundary(11)
  expect(answers).toEqual([
    { type: 'hookFailed', message: expect.stringMatching(/^onMigrating failed at step 10, /) },
    { type: 'noticed', notice: 1, failed: true },
  ])
  expect(answers[0]).toMatchObject({ message: expect.stringContaining(reason) })
})

test('what onStaying throws is for the log', () => {
  const { told, answers } = notices({
    onMigrating: () => undefined,
    onStaying() {
      throw new Error('gone')
    },
  })
  told.add({ type: 'stays' })
  told.atBoundary(3)
  expect(answers).toMatchObject([{ type: 'hookFailed', message: expect.stringContaining('gone') }])
})
