/** Goal: nobody is offered what his role may not do or what makes no sense, and what waits says for what. Method: each state, for each role. */
import { expect, test } from 'vitest'
import { hostView, jobView, moveView } from '../support/views.ts'
import { hostOffers, jobOffers } from './actions.ts'

const active = moveView()
const paused = moveView({
  progress: {
    round: 1,
    roundPagesSent: 1,
    roundPages: 2,
    remainingBytes: 10,
    sentBytes: 10,
    bytesPerSecond: 0,
    isPaused: true,
    step: 7,
  },
})
const held = moveView({ status: 'preSwitchover', options: { ...active.options, hold: true } })

test.each([
  ['a job that runs', jobView(), undefined, ['migrate', 'checkpoint', 'stop']],
  ['one that has moved', jobView(), moveView({ status: 'completed' }), ['migrate', 'checkpoint', 'stop']],
  ['one that moves', jobView(), active, ['hold', 'pause', 'cancel', 'checkpoint', 'stop']],
  ['one whose move is paused', jobView(), paused, ['hold', 'resume', 'cancel', 'checkpoint', 'stop']],
  ['one whose move is held', jobView(), held, ['switchover', 'pause', 'cancel', 'checkpoint', 'stop']],
  ['one that is over', jobView({ status: 'finished' }), undefined, ['forget']],
])('%s', (_, job, move, actions) => {
  expect(jobOffers({ job, move, role: 'operator' }).map(({ action }) => action)).toEqual(actions)
  expect(jobOffers({ job, move, role: 'viewer' })).toEqual([])
})

test('what can not be done now says why', () => {
  const why = (offers: ReturnType<typeof jobOffers>) =>
    Object.fromEntries(offers.filter(({ why }) => why !== undefined).map(({ action, why }) => [action, why]))
  expect(why(jobOffers({ job: jobView({ status: 'restarting' }), move: undefined, role: 'admin' }))).toEqual({
    migrate: 'The job is restarting.',
    checkpoint: 'The job is restarting.',
  })
  const late = moveView({ status: 'switchover' })
  expect(why(jobOffers({ job: jobView(), move: late, role: 'admin' }))).toEqual({
    hold: 'The move is in its switchover.',
    pause: 'The move is in its switchover.',
  })
})

test('a host is emptied, filled again, and removed by those who may', () => {
  const isSecured = true
  const actions = (host: ReturnType<typeof hostView>, role: 'viewer' | 'operator' | 'admin') =>
    hostOffers(host, { role, isSecured }).map(({ action }) => action)
  const maintained = hostView({
    state: 'maintenance',
    maintenance: { host: 'a', phase: 'evacuated', force: false, waiting: 0, moving: 0, stuck: 0, moved: 1 },
  })
  expect(actions(hostView(), 'viewer')).toEqual([])
  expect(actions(hostView(), 'operator')).toEqual(['enterMaintenance'])
  expect(actions(maintained, 'operator')).toEqual(['exitMaintenance'])
  expect(actions(hostView(), 'admin')).toEqual(['enterMaintenance', 'removeHost'])
  const [, remove] = hostOffers(hostView({ workloads: ['job'] }), { role: 'admin', isSecured })
  expect(remove?.why).toMatch(/enter maintenance first/)
  expect(hostOffers(hostView(), { role: 'admin', isSecured: false })).toHaveLength(1)
})
