/**
 * Goal: every event has its one right answer in every state. Method: the whole matrix of next states, written down
 * here once more by hand (a missing pair does not compile), and examples of what is said to whom on the way.
 */
import { type ErrorReport, LIMITS } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { beginMigration, stepMigration } from './migration-machine.ts'
import {
  deadlineMs,
  type EventType,
  isCancellable,
  isOver,
  type MigrationEvent,
  type MigrationState,
  migrationStatus,
  type StateName,
  viewOf,
} from './migration-state.ts'
import { planLike, reportOf } from './support/fakes.ts'

const PLAN = planLike({ startedAtMs: 1000 })
const ERROR: ErrorReport = { kind: 'connection-lost', message: 'gone' }
const OUTCOME = { status: 'failed', error: ERROR } as const
const PROGRESS = {
  round: 1,
  roundPagesSent: 1,
  roundPages: 2,
  remainingBytes: 3,
  sentBytes: 4,
  bytesPerSecond: 5,
  step: 6,
}
const REPORT = reportOf(PLAN, 5, 2)

const STATES: { readonly [Name in StateName]: Extract<MigrationState, { name: Name }> } = {
  queued: { name: 'queued', plan: PLAN },
  preparing: { name: 'preparing', plan: PLAN },
  opening: { name: 'opening', plan: PLAN },
  moving: { name: 'moving', status: 'active', port: 4711, plan: PLAN },
  claimed: { name: 'claimed', epoch: 2, sourceGone: false, plan: PLAN },
  accepted: { name: 'accepted', epoch: 2, sinceMs: 2000, plan: PLAN },
  cancelling: { name: 'cancelling', outcome: OUTCOME, sinceMs: 2000, plan: PLAN },
  completed: { name: 'completed', epoch: 2, plan: PLAN },
  ended: { name: 'ended', outcome: OUTCOME, plan: PLAN },
}

const EVENTS: { readonly [Type in EventType]: Extract<MigrationEvent, { type: Type }> } = {
  admitted: { type: 'admitted', plan: PLAN },
  refused: { type: 'refused', error: ERROR },
  targetPrepared: { type: 'targetPrepared' },
  targetFailed: { type: 'targetFailed', error: ERROR },
  targetExited: { type: 'targetExited', error: ERROR },
  targetHostLost: { type: 'targetHostLost' },
  targetHostBack: { type: 'targetHostBack' },
  sourceHostBack: { type: 'sourceHostBack' },
  outgoingOpened: { type: 'outgoingOpened', port: 4711 },
  progress: { type: 'progress', status: 'active', progress: PROGRESS },
  claim: { type: 'claim', fromStep: 5 },
  claimDecided: { type: 'claimDecided', granted: true, epoch: 2 },
  stepAccepted: { type: 'stepAccepted' },
  recover: { type: 'recover', error: ERROR },
  recoverDecided: { type: 'recoverDecided', granted: true, epoch: 3, error: ERROR },
  sourceEnded: { type: 'sourceEnded', status: 'failed', error: ERROR },
  sourceExited: { type: 'sourceExited', error: ERROR },
  workloadEnded: { type: 'workloadEnded' },
  cancel: { type: 'cancel', error: ERROR },
  hold: { type: 'hold' },
  letGo: { type: 'letGo' },
  pause: { type: 'pause', by: 'ann' },
  tick: { type: 'tick' },
}

/** `-`: stays. `!`: an answer that was not asked for, a bug. Otherwise the next state; all times are over for `tick`. */
const NEXT: { readonly [Type in EventType]: { readonly [Name in StateName]: StateName | '-' | '!' } } = {
  // biome-ignore format: a table
  admitted: { queued: 'preparing', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  refused: { queued: 'ended', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  targetPrepared: { queued: '-', preparing: 'opening', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  targetFailed: { queued: '-', preparing: 'ended', opening: 'cancelling', moving: 'cancelling', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  targetExited: { queued: '-', preparing: 'ended', opening: 'cancelling', moving: 'cancelling', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  targetHostLost: { queued: '-', preparing: 'ended', opening: 'cancelling', moving: 'cancelling', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  targetHostBack: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  sourceHostBack: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  outgoingOpened: { queued: '-', preparing: '-', opening: 'moving', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  progress: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  claim: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  claimDecided: { queued: '!', preparing: '!', opening: '!', moving: 'claimed', claimed: '-', accepted: '!', cancelling: '!', completed: '!', ended: '!' },
  // biome-ignore format: a table
  stepAccepted: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: 'accepted', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  recover: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: 'completed', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  recoverDecided: { queued: '!', preparing: '!', opening: '!', moving: 'cancelling', claimed: 'cancelling', accepted: '!', cancelling: '-', completed: '!', ended: '-' },
  // biome-ignore format: a table
  sourceEnded: { queued: '-', preparing: '-', opening: 'ended', moving: 'ended', claimed: '-', accepted: 'completed', cancelling: 'ended', completed: '-', ended: '-' },
  // biome-ignore format: a table
  sourceExited: { queued: '-', preparing: 'ended', opening: 'ended', moving: '-', claimed: '-', accepted: 'completed', cancelling: 'ended', completed: '-', ended: '-' },
  // biome-ignore format: a table
  workloadEnded: { queued: 'ended', preparing: 'ended', opening: 'ended', moving: 'ended', claimed: '-', accepted: '-', cancelling: 'ended', completed: '-', ended: '-' },
  // biome-ignore format: a table
  cancel: { queued: 'ended', preparing: 'ended', opening: 'cancelling', moving: 'cancelling', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  hold: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  letGo: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  pause: { queued: '-', preparing: '-', opening: '-', moving: '-', claimed: '-', accepted: '-', cancelling: '-', completed: '-', ended: '-' },
  // biome-ignore format: a table
  tick: { queued: '-', preparing: 'ended', opening: 'cancelling', moving: 'cancelling', claimed: '-', accepted: 'completed', cancelling: 'ended', completed: '-', ended: '-' },
}

test('the table is the one that is written down here', () => {
  for (const [type, row] of Object.entries(NEXT)) {
    for (const [name, expected] of Object.entries(row)) {
      const go = () => stepMigration(STATES[name as StateName], EVENTS[type as EventType], 1e9)
      if (expected === '!') expect(go, `${name} × ${type}`).toThrow('nothing was asked')
      else expect(go().state.name, `${name} × ${type}`).toBe(expected === '-' ? name : expected)
    }
  }
})

function play(from: MigrationState, ...events: MigrationEvent[]): { state: MigrationState; said: string[] } {
  const said: string[] = []
  let state = from
  for (const event of events) {
    const next = stepMigration(state, event, 1500)
    state = next.state
    for (const effect of next.effects) {
      const isMessage = effect.type === 'toSource' || effect.type === 'toTarget'
      const granted =
        isMessage && 'granted' in effect.message ? ` ${effect.message.granted} ${effect.message.epoch}` : ''
      said.push(isMessage ? `${effect.type} ${effect.message.type}${granted}` : effect.type)
    }
  }
  return { state, said }
}

const { targetPrepared, outgoingOpened, claim, claimDecided, stepAccepted, recover, recoverDecided } = EVENTS
const { cancel, targetExited, targetHostLost, targetHostBack, sourceExited, sourceHostBack, tick } = EVENTS
const completed: MigrationEvent = { type: 'sourceEnded', status: 'completed', report: REPORT }

test('the happy path says each thing once', () => {
  const begun = beginMigration(PLAN)
  expect(begun.effects).toEqual([{ type: 'launchTarget' }])
  const { state, said } = play(
    begun.state,
    targetPrepared,
    outgoingOpened,
    claim,
    claimDecided,
    completed,
    stepAccepted,
  )
  expect(said).toEqual([
    'toSource openOutgoing',
    'toTarget dial',
    'askClaim',
    'own',
    'toTarget claimResult true 2',
    'releaseSource',
  ])
  expect(viewOf(state, 7)).toMatchObject({ status: 'completed', report: { ...REPORT, lostTimeMs: 7 } })
})

test('openOutgoing carries the secret and what has passed since the request; dial the address and port', () => {
  const opened = stepMigration(STATES.preparing, targetPrepared, 1400)
  const { id: migrationId, secret, from, to, options } = PLAN
  expect(opened.effects).toEqual([
    {
      type: 'toSource',
      message: {
        type: 'openOutgoing',
        migrationId,
        from,
        to,
        secret,
        options,
        elapsedMs: 400,
        asksForTurn: true,
      },
    },
  ])
  expect(stepMigration(opened.state, outgoingOpened, 1500).effects).toEqual([
    {
      type: 'toTarget',
      message: { type: 'dial', migrationId, from: 'a', host: 'a.test', port: 4711, secret },
    },
  ])
})

test('a target that differs is refused before the source hears of it', () => {
  const { state, effects } = stepMigration(STATES.preparing, { ...targetPrepared, difference: ERROR }, 1400)
  expect(effects).toEqual([{ type: 'killTarget' }])
  expect(viewOf(state, null)).toMatchObject({ status: 'failed', error: { ...ERROR, phase: 'setup' } })
})

test('the status follows the source between setup and switchover, back included, and nowhere else', () => {
  let state: MigrationState = { ...STATES.moving, status: 'setup' }
  for (const [said, seen] of [
    ['active', 'active'],
    ['switchover', 'switchover'],
    ['active', 'active'],
    ['completed', 'active'],
  ] as const) {
    state = stepMigration(state, { ...EVENTS.progress, status: said }, 1500).state
    expect(migrationStatus(state)).toBe(seen)
  }
})

test('a cancel in setup is done at once, later the source has the last word', () => {
  expect(play(STATES.preparing, cancel)).toMatchObject({
    state: { name: 'ended', outcome: { status: 'cancelled' } },
    said: ['killTarget'],
  })
  const { state, said } = play(STATES.moving, cancel, { type: 'sourceEnded', status: 'cancelled' })
  expect(said).toEqual(['killTarget', 'toSource cancelMigration', 'killTarget'])
  expect(viewOf(state, null)).toMatchObject({ status: 'cancelled', error: { ...ERROR, phase: 'active' } })
})

test('without the agent of its target nobody switches over; one that has may still be claimed', () => {
  const lost = play(STATES.moving, { type: 'targetHostLost' })
  expect(lost.state).toMatchObject({
    name: 'cancelling',
    outcome: { status: 'failed', error: { kind: 'host-disconnected', phase: 'active' } },
  })
  expect(lost.said).toEqual(['killTarget', 'toSource cancelMigration'])
  const switching = { ...STATES.moving, status: 'switchover' } as const
  expect(play(switching, { type: 'targetHostLost' })).toEqual({ state: switching, said: [] })
})

test('a refused claim ends the target, and the source is told to go on', () => {
  const { state, said } = play(STATES.moving, claim, { ...claimDecided, granted: false, epoch: 4 })
  expect(said).toEqual(['askClaim', 'toTarget claimResult false 4', 'killTarget', 'toSource cancelMigration'])
  expect(migrationStatus(state)).toBe('cancelling')
})

test('a frozen source gets the workload back before and after the claim, and is reminded if it missed that', () => {
  for (const state of [STATES.moving, STATES.claimed]) {
    const { said } = play(state, recover, recoverDecided, sourceHostBack)
    expect(said).toEqual([
      'askRecover',
      'killTarget',
      'own',
      'toSource recoverResult true 3',
      'toSource recoverResult true 3',
    ])
  }
})

test('a target that is lost after its claim gives the workload back unasked', () => {
  expect(play(STATES.claimed, targetExited, recoverDecided).said).toEqual([
    'askRecover',
    'killTarget',
    'own',
    'toSource recoverResult true 3',
  ])
  expect(play(STATES.claimed, sourceExited, targetExited)).toMatchObject({
    state: { name: 'ended', outcome: { status: 'failed' } },
    said: ['killTarget', 'workloadLost'],
  })
})

test('a target that says it runs and takes no step is given up, long after its steps are due', () => {
  const plan = { ...PLAN, longestStepMs: 500 }
  const completed = { ...EVENTS.sourceEnded, status: 'completed', report: REPORT } as const
  const handedOver = stepMigration({ ...STATES.claimed, plan }, completed, 5000).state
  // Said again until it is released: that changes nothing.
  const again = stepMigration(handedOver, completed, 9000).state
  const dueMs = 5000 + LIMITS.handoverTimeoutMs + 20 * 500
  expect(deadlineMs(again)).toBe(dueMs)
  expect(stepMigration(again, tick, dueMs - 1).effects).toEqual([])
  expect(stepMigration(again, tick, dueMs).effects).toEqual([
    { type: 'askRecover', error: expect.objectContaining({ kind: 'peer-stalled' }) },
  ])
  // How long a step takes was never seen: nobody can say that it is overdue.
  expect(deadlineMs(stepMigration(STATES.claimed, completed, 5000).state)).toBeUndefined()
})

test('a target whose host does not come back after the claim gives the workload back unasked', () => {
  const lost = stepMigration(STATES.claimed, targetHostLost, 5000).state
  const dueMs = 5000 + LIMITS.heartbeatTimeoutMs
  expect(deadlineMs(lost)).toBe(dueMs)
  expect(stepMigration(lost, tick, dueMs - 1).effects).toEqual([])
  const due = stepMigration(lost, tick, dueMs)
  expect(due.effects).toMatchObject([{ type: 'askRecover', error: { kind: 'host-disconnected' } }])
  const { state, said } = play(due.state, completed, recoverDecided)
  expect(said).toEqual(['killTarget', 'own', 'toSource recoverResult true 3'])
  expect(state.report).toBeUndefined()
  expect(state).toMatchObject({ name: 'cancelling', recoveredEpoch: 3, outcome: { status: 'failed' } })
  // Refused, it is not asked again and again.
  expect(deadlineMs(play(due.state, { ...recoverDecided, granted: false }).state)).toBeUndefined()
})

test('a host that comes back after the claim, or the only one left, keeps the workload', () => {
  const back = play(STATES.claimed, targetHostLost, targetHostBack)
  expect(back.said).toEqual(['toTarget claimResult true 2'])
  expect(deadlineMs(back.state)).toBeUndefined()
  expect(deadlineMs(play(STATES.claimed, targetHostLost, sourceExited).state)).toBeUndefined()
  expect(play(STATES.claimed, targetHostLost, stepAccepted).state).toMatchObject({ name: 'accepted' })
})

test('a source that asks too late is denied and released', () => {
  expect(play(STATES.claimed, stepAccepted, recover).said).toEqual([
    'toSource recoverResult false 2',
    'releaseSource',
  ])
  expect(play(STATES.claimed, sourceExited, stepAccepted)).toMatchObject({ state: { name: 'completed' } })
  expect(play(STATES.completed, completed).state.report).toEqual(REPORT)
})

test('a source that calls itself done without a claim is frozen, and gets the workload back', () => {
  const { state, effects } = stepMigration(STATES.moving, completed, 1500)
  expect(effects).toMatchObject([{ type: 'askRecover', error: { kind: 'out-of-order' } }])
  expect(play(state, recoverDecided).said).toEqual(['killTarget', 'own', 'toSource recoverResult true 3'])
  // Its report would call a move completed that never was.
  expect(play(state, recoverDecided).state.report).toBeUndefined()
  // Also when the migration was given up meanwhile, and as often as it says so.
  for (const given of [STATES.cancelling, STATES.ended]) {
    const { state, said } = play(given, completed, recoverDecided, completed, recoverDecided)
    const answer = ['askRecover', 'own', 'toSource recoverResult true 3']
    expect(said).toEqual([...answer, ...answer])
    expect(state.name).toBe(given.name)
  }
  expect(play(STATES.opening, completed)).toMatchObject({
    state: { name: 'cancelling' },
    said: ['killTarget', 'toSource cancelMigration'],
  })
})

test('a source that ends while its state may be under way leaves the word to the target', () => {
  for (const status of ['setup', 'active', 'switchover'] as const) {
    const { state, effects } = stepMigration({ ...STATES.moving, status }, sourceExited, 5000)
    expect(effects).toEqual([])
    expect(deadlineMs(state)).toBe(5000 + LIMITS.handoverTimeoutMs)
    expect(isCancellable(state)).toBe(false)
    // Nobody kills what may hold everything.
    expect(play(state, targetHostLost, cancel, tick, sourceExited)).toEqual({ state, said: [] })
    const taken = play(state, claim, claimDecided)
    expect(taken.said).toEqual(['askClaim', 'own', 'toTarget claimResult true 2'])
    expect(play(taken.state, stepAccepted).state.name).toBe('completed')
    const gone = { ...ERROR, message: 'the target is gone too' }
    for (const end of [
      { ...targetExited, error: gone },
      { ...EVENTS.targetFailed, error: gone },
    ]) {
      const lost = stepMigration(state, end, 6000)
      expect(lost.effects).toEqual([{ type: 'killTarget' }, { type: 'workloadLost', error: ERROR }])
      expect(lost.state).toMatchObject({ name: 'ended', outcome: { status: 'failed' } })
    }
    expect(play(state, claim, { ...claimDecided, granted: false, epoch: 4 }).said).toEqual([
      'askClaim',
      'toTarget claimResult false 4',
      'killTarget',
      'workloadLost',
    ])
    expect(stepMigration(state, tick, 5000 + LIMITS.handoverTimeoutMs).effects).toContainEqual({
      type: 'workloadLost',
      error: ERROR,
    })
    expect(play(state, EVENTS.workloadEnded).state.name).toBe('ended')
  }
})

test('what is said again is answered again, with the same words', () => {
  const recovered = 'toSource recoverResult true 3'
  const answers: [StateName, MigrationEvent[], string[]][] = [
    ['cancelling', [recover, recoverDecided], ['askRecover', 'own', recovered]],
    ['ended', [recover, recoverDecided], ['askRecover', 'own', recovered]],
    ['completed', [recover], ['toSource recoverResult false 2', 'releaseSource']],
    ['completed', [completed], ['releaseSource']],
    ['claimed', [claim, claimDecided], ['askClaim', 'toTarget claimResult true 2']],
    ['accepted', [claim], ['toTarget claimResult true 2']],
    ['completed', [claim], ['toTarget claimResult true 2']],
    ['opening', [claim], ['toTarget claimResult false 1']],
    ['cancelling', [claim], ['toTarget claimResult false 1']],
    ['ended', [claim], ['toTarget claimResult false 1']],
  ]
  for (const [name, events, said] of answers) {
    expect(play(STATES[name], ...events, ...events), name).toMatchObject({ said: [...said, ...said] })
  }
  expect(play(STATES.claimed, completed, completed).said).toEqual([])
})

test('a source whose agent came back is heard of, or the migration ends', () => {
  for (const status of ['active', 'switchover'] as const) {
    const back = stepMigration({ ...STATES.moving, status }, sourceHostBack, 5000).state
    const dueMs = 5000 + LIMITS.heartbeatTimeoutMs
    expect(deadlineMs(back)).toBe(dueMs)
    const silent = stepMigration(back, tick, dueMs)
    expect(silent.state).toMatchObject({ name: 'cancelling', outcome: { error: { kind: 'peer-stalled' } } })
    expect(play(back, tick).said).toEqual([])
    const heard = stepMigration(back, { ...EVENTS.progress, status }, 5001).state
    expect(deadlineMs(heard)).toBe(deadlineMs({ ...STATES.moving, status }))
  }
})

test('deadlines: setup, then the migration as a whole, none while the workers keep the time', () => {
  const { startedAtMs, options } = PLAN
  expect(deadlineMs(STATES.preparing)).toBe(startedAtMs + options.timeoutMs)
  const patient = { ...PLAN, options: { ...options, timeoutMs: 10 * LIMITS.setupTimeoutMs } }
  expect(deadlineMs({ ...STATES.opening, plan: patient })).toBe(startedAtMs + LIMITS.setupTimeoutMs)
  expect(deadlineMs(STATES.moving)).toBe(startedAtMs + options.timeoutMs)
  expect(deadlineMs({ ...STATES.moving, status: 'switchover' })).toBeUndefined()
  expect(deadlineMs(STATES.claimed)).toBeUndefined()
  const early = stepMigration(STATES.opening, EVENTS.tick, startedAtMs + options.timeoutMs - 1)
  expect(early).toEqual({ state: STATES.opening, effects: [] })
  const kind = (state: MigrationState): unknown => {
    const next = stepMigration(state, EVENTS.tick, startedAtMs + options.timeoutMs).state
    return viewOf(next, null).error?.kind
  }
  expect([kind(STATES.opening), kind(STATES.moving)]).toEqual(['setup-timeout', 'not-converging'])
  expect(isOver(stepMigration(STATES.accepted, EVENTS.tick, 2000 + LIMITS.handoverTimeoutMs).state)).toBe(
    true,
  )
})

const ready: MigrationEvent = { type: 'progress', status: 'preSwitchover', progress: PROGRESS }
const { hold, letGo, pause } = EVENTS
const goOn: MigrationEvent = { type: 'pause', by: undefined }

test('one that is ready asks for its turn each time it says so, unless it is held', () => {
  const moving = { ...STATES.moving, status: 'active' } as const
  expect(play(moving, ready, ready).said).toEqual(['askTurn', 'askTurn'])
  expect(play(moving, hold, ready, ready).said).toEqual([])
  expect(play(moving, hold, ready, letGo, letGo, ready).said).toEqual(['askTurn', 'askTurn', 'askTurn'])
  for (const state of [STATES.preparing, STATES.opening]) {
    const { state: held } = play(state, hold, hold)
    expect(held).toMatchObject({ isHeld: true })
    expect(play(held, letGo)).toMatchObject({ state: { isHeld: false }, said: [] })
  }
  const planned = beginMigration({ ...PLAN, options: { ...PLAN.options, hold: true } }).state
  const { state, said } = play(planned, targetPrepared, outgoingOpened, ready)
  expect([migrationStatus(state), said]).toEqual([
    'preSwitchover',
    ['toSource openOutgoing', 'toTarget dial'],
  ])
})

test('until it switches over its view says whether it is held and paused, as it was asked for or since', () => {
  const said = (state: MigrationState) => {
    const { isHeld, pausedBy } = viewOf(state, null)
    return [isHeld, pausedBy]
  }
  const planned = beginMigration({ ...PLAN, options: { ...PLAN.options, hold: true } }, true).state
  expect(said(planned)).toEqual([true, undefined])
  expect(said(play(planned, letGo).state)).toEqual([undefined, undefined])
  for (const state of [STATES.queued, STATES.preparing, STATES.opening, STATES.moving]) {
    const both = play(state, hold, pause).state
    expect(said(both), state.name).toEqual([true, 'ann'])
    expect(said(play(both, letGo, goOn).state)).toEqual([undefined, undefined])
  }
  const late = { ...play(STATES.moving, hold, pause).state, status: 'switchover' } as MigrationState
  expect(said(late)).toEqual([undefined, undefined])
})

test('while it is ready no timeout ends it, and afterwards it has as much time as before', () => {
  const at = (state: MigrationState, event: MigrationEvent, nowMs: number): MigrationState =>
    stepMigration(state, event, nowMs).state
  const active: MigrationEvent = { type: 'progress', status: 'active', progress: PROGRESS }
  const moving: MigrationState = { ...STATES.moving, status: 'active' }
  const before = deadlineMs(moving) as number
  let state = at(moving, ready, 2000)
  expect(deadlineMs(state)).toBeUndefined()
  for (const nowMs of [3000, 500_000, 900_000]) state = at(state, ready, nowMs)
  expect(deadlineMs(state)).toBeUndefined()
  state = at(state, active, 900_100)
  expect(deadlineMs(state)).toBe(before + 898_100)
  expect(deadlineMs(at(state, active, 905_000))).toBe(before + 898_100)
  expect(at(at(state, sourceHostBack, 1e6), tick, 2e6).name).toBe('cancelling')
})

const sends: MigrationEvent = { type: 'progress', status: 'active', progress: PROGRESS }
const isPaused: MigrationEvent = {
  type: 'progress',
  status: 'active',
  progress: { ...PROGRESS, isPaused: true },
}

test('a source is told to pause, and to go on, until it says that it does', () => {
  const moving = { ...STATES.moving, status: 'active' } as const
  const { state, said } = play(moving, pause, sends, isPaused, isPaused)
  expect([state, said]).toMatchObject([
    { name: 'moving', pausedBy: 'ann' },
    ['toSource pauseMigration', 'toSource pauseMigration'],
  ])
  expect(play(state, goOn, isPaused, sends, sends).said).toEqual([
    'toSource pauseMigration',
    'toSource pauseMigration',
  ])
  // Ready or not: it has no turn.
  expect(play(moving, pause, ready).said).toEqual(['toSource pauseMigration', 'toSource pauseMigration'])
  // One that was not engaged when it was asked for is told as soon as it speaks.
  const early = play(STATES.preparing, pause, targetPrepared, outgoingOpened, sends)
  expect(early.said.at(-1)).toBe('toSource pauseMigration')
})

test('while it is paused no timeout ends it, and afterwards it has as much time as before', () => {
  const moving = play({ ...STATES.moving, status: 'active' }, sends, pause).state
  const at = (state: MigrationState, event: MigrationEvent, nowMs: number): MigrationState =>
    stepMigration(state, event, nowMs).state
  const before = deadlineMs(moving) as number
  let state = at(moving, isPaused, 2000)
  expect(deadlineMs(state)).toBeUndefined()
  state = at(at(state, isPaused, 900_000), sends, 900_100)
  expect(deadlineMs(state)).toBe(before + 898_100)
})

test('a coordinator that takes a move over waits for its source, however long it has been under way', () => {
  const plan = { ...PLAN, startedAtMs: 0, options: { ...PLAN.options, timeoutMs: 3_600_000 } }
  const old = { ...STATES.moving, plan, status: 'setup' } as const
  const nowMs = 5 * 60_000
  expect(stepMigration(old, tick, nowMs).state.name).toBe('cancelling')
  const restored = { ...old, restoredMs: nowMs }
  expect(stepMigration(restored, tick, nowMs + 1000).state.name).toBe('moving')
})
