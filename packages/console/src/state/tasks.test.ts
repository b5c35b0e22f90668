/** Goal: whatever is under way or went wrong is on the list, with what is known of it. Method: moves and hosts in each state. */
import { hostLike, migrationLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { tasksOf } from './tasks.ts'

test('what is under way comes first, the latest first', () => {
  const moves = [
    migrationLike({ id: 'm-1', status: 'completed', startedAtMs: 5 }),
    migrationLike({ id: 'm-2', startedAtMs: 1 }),
    migrationLike({ id: 'm-3', startedAtMs: 2 }),
    migrationLike({ id: 'm-4', status: 'failed', startedAtMs: 9 }),
  ]
  expect(tasksOf(moves, []).map(({ id }) => id)).toEqual(['m-3', 'm-2', 'm-4', 'm-1'])
})

test('a move says how far it is, what it waits for, and why it failed', () => {
  const progress = {
    round: 1,
    roundPagesSent: 1,
    roundPages: 2,
    remainingBytes: 10,
    sentBytes: 10,
    bytesPerSecond: 5,
    percent: 40,
    timeLeftMs: 2000,
    step: 7,
  }
  const [going] = tasksOf([migrationLike({ progress, waitingFor: 'its turn' })], [])
  expect(going).toMatchObject({ share: 0.4, timeLeftMs: 2000, detail: 'waits for its turn', tone: 'move' })
  const [queued] = tasksOf([migrationLike({ status: 'queued', place: 3 })], [])
  expect(queued).toMatchObject({ word: 'queued', detail: 'place 3 in the queue' })
  const error = { kind: 'not-converging', message: 'too many pages' } as const
  const [failed] = tasksOf([migrationLike({ status: 'failed', progress, error })], [])
  expect(failed).toMatchObject({ tone: 'bad', isOver: true, error })
  expect(failed?.timeLeftMs).toBeUndefined()
  const held = migrationLike({ status: 'preSwitchover', isHeld: true })
  expect(tasksOf([held], [])[0]).toMatchObject({ word: 'held', tone: 'warn' })
  for (const status of ['queued', 'setup', 'active', 'preSwitchover'] as const)
    expect(tasksOf([{ ...held, status, pausedBy: 'ann' }], [])[0]).toMatchObject({
      word: 'paused',
      tone: 'warn',
    })
})

test('a maintenance is a task until the host takes jobs again', () => {
  const maintenance = {
    host: 'a',
    phase: 'evacuating',
    force: false,
    waiting: 1,
    moving: 1,
    stuck: 0,
    moved: 2,
  } as const
  const [task] = tasksOf([], [hostLike({ maintenance })])
  expect(task).toMatchObject({ share: 0.5, tone: 'move', detail: '2 moved, 1 moving, 1 waiting' })
  const [stuck] = tasksOf([], [hostLike({ maintenance: { ...maintenance, stuck: 1 } })])
  expect(stuck?.tone).toBe('warn')
  const [empty] = tasksOf(
    [],
    [hostLike({ maintenance: { ...maintenance, phase: 'evacuated', waiting: 0, moving: 0 } })],
  )
  expect(empty).toMatchObject({ word: 'host is empty', tone: 'ok', share: 1 })
  expect(tasksOf([], [hostLike({ maintenance: { ...maintenance, phase: 'over' } }), hostLike()])).toEqual([])
})
