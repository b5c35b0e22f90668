/** Goal: nobody is offered what his role may not do or what makes no sense, and what waits says for what. Method: each state, for each role. */
import type { MigrationView } from '@godwit/protocol'
import { hostLike, migrationLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { clusterOffers, hostOffers, jobOffers } from './actions.ts'

const stays = ['migrate', 'checkpoint', 'stop']
const rest = ['cancel', 'checkpoint', 'stop']

test.each([
  ['a job that runs', workloadLike(), undefined, stays],
  ['one that has moved', workloadLike(), migrationLike({ status: 'completed' }), stays],
  ['one that is over', workloadLike({ status: 'finished' }), undefined, ['run', 'forget']],
])('%s', (_, job, move, actions) => {
  expect(jobOffers({ job, move, role: 'operator' }).map(({ action }) => action)).toEqual(actions)
  expect(jobOffers({ job, move, role: 'viewer' })).toEqual([])
})

test.each(['queued', 'setup', 'active', 'preSwitchover'] as const)(
  'a move that is %s is paused or let go on, held or let go, never both',
  (status) => {
    const offered = (view: Partial<MigrationView>) =>
      jobOffers({ job: workloadLike(), move: migrationLike({ status, ...view }), role: 'operator' }).map(
        ({ action }) => action,
      )
    expect(offered({})).toEqual(['hold', 'pause', ...rest])
    expect(offered({ pausedBy: 'ann' })).toEqual(['hold', 'resume', ...rest])
    expect(offered({ isHeld: true })).toEqual(['switchover', 'pause', ...rest])
    expect(offered({ isHeld: true, pausedBy: 'ann' })).toEqual(['switchover', 'resume', ...rest])
    // As it was asked for once counts no more: it may have been let go since.
    expect(offered({ options: { ...migrationLike().options, hold: true } })).toEqual([
      'hold',
      'pause',
      ...rest,
    ])
  },
)

test('one that is held and not ready yet is let go for when it is', () => {
  const label = (status: MigrationView['status']) =>
    jobOffers({ job: workloadLike(), move: migrationLike({ status, isHeld: true }), role: 'admin' })[0]?.label
  expect([label('queued'), label('active'), label('preSwitchover')]).toEqual([
    'Switch over when ready',
    'Switch over when ready',
    'Switch over',
  ])
})

test('what can not be done now says why', () => {
  const why = (offers: ReturnType<typeof jobOffers>) =>
    Object.fromEntries(offers.filter(({ why }) => why !== undefined).map(({ action, why }) => [action, why]))
  expect(
    why(jobOffers({ job: workloadLike({ status: 'restarting' }), move: undefined, role: 'admin' })),
  ).toEqual({
    migrate: 'The job is restarting.',
    checkpoint: 'The job is restarting.',
  })
  const late = migrationLike({ status: 'switchover' })
  expect(why(jobOffers({ job: workloadLike(), move: late, role: 'admin' }))).toEqual({
    hold: 'The move is in its switchover.',
    pause: 'The move is in its switchover.',
  })
})

test('a host is emptied, filled again, and removed by those who may', () => {
  const isSecured = true
  const actions = (host: ReturnType<typeof hostLike>, role: 'viewer' | 'operator' | 'admin') =>
    hostOffers(host, { role, isSecured }).map(({ action }) => action)
  const maintained = hostLike({
    state: 'maintenance',
    maintenance: { host: 'a', phase: 'evacuated', force: false, waiting: 0, moving: 0, stuck: 0, moved: 1 },
  })
  expect(actions(hostLike(), 'viewer')).toEqual([])
  expect(actions(hostLike(), 'operator')).toEqual(['run', 'enterMaintenance'])
  expect(actions(maintained, 'operator')).toEqual(['run', 'exitMaintenance'])
  expect(actions(hostLike(), 'admin')).toEqual(['run', 'enterMaintenance', 'removeHost'])
  const [, , remove] = hostOffers(hostLike({ workloads: ['job'] }), { role: 'admin', isSecured })
  expect(remove?.why).toMatch(/enter maintenance first/)
  expect(hostOffers(hostLike(), { role: 'admin', isSecured: false })).toHaveLength(2)
})

test('a job is run from a host that takes some, and from the cluster, by those who may', () => {
  const why = (host: ReturnType<typeof hostLike>) =>
    hostOffers(host, { role: 'operator', isSecured: true }).find(({ action }) => action === 'run')?.why
  expect(why(hostLike())).toBeUndefined()
  expect(why(hostLike({ state: 'disconnected' }))).toMatch(/not connected/)
  expect(why(hostLike({ state: 'maintenance' }))).toMatch(/takes no jobs/)
  expect(clusterOffers('viewer')).toEqual([])
  expect(clusterOffers('operator').map(({ action }) => action)).toEqual(['run'])
})
