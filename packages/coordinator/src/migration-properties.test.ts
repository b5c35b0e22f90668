/**
 * Goal: the machine's invariants hold for whatever workers, agents and people do, in whatever order. Method: random
 * events against the real machine and the real ownership record; a ledger of its own keeps account of who lives, who
 * owns and who was promised what, and judges each effect. The ledger is shown violations too.
 */
import type { ErrorReport } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { beginMigration, stepMigration } from './migration-machine.ts'
import {
  isOver,
  type MigrationEffect,
  type MigrationEvent,
  type MigrationState,
  migrationStatus,
} from './migration-state.ts'
import { accept, claim, firstOwner, newestRange, type OwnershipRecord, recover } from './ownership.ts'
import { outputOf, planLike } from './support/fakes.ts'

const PLAN = planLike({ startedAtMs: 0 })
const ERROR: ErrorReport = { kind: 'connection-lost', message: 'gone' }

/** What the world looks like from outside of the machine. */
class Ledger {
  targetLives = false
  targetOwns = false
  targetBroken = false
  sourceLives = true
  stepCounts = false
  workloadOver = false
  /** The source has ended, and the target neither ended nor had its time. */
  targetMayHoldAll = false
  opened = false
  port: number | undefined

  effect(effect: MigrationEffect, record: OwnershipRecord): void {
    switch (effect.type) {
      case 'launchTarget':
        this.targetLives = true
        return
      case 'killTarget':
        if (this.targetOwns && !this.targetBroken && !this.workloadOver && newestRange(record).host === 'b') {
          fail('the target is killed while it alone holds the workload')
        }
        if (this.targetMayHoldAll) fail('the target is killed before its claim could come')
        this.targetLives = false
        return
      case 'releaseSource':
        if (!this.stepCounts) fail('the source is released before a step of the target counts')
        return
      case 'own':
        this.targetOwns = effect.side === 'target'
        if (newestRange(record).host !== (effect.side === 'target' ? 'b' : 'a'))
          fail('the record says otherwise')
        return
      case 'workloadLost':
        if (this.sourceLives && !this.stepCounts) fail('the workload is called lost while the source has it')
        return
      case 'toSource':
      case 'toTarget':
        return this.#message(effect, record)
      case 'askTurn':
        if (!this.sourceLives && !this.targetMayHoldAll) fail('a turn is asked for one that is gone')
        return
      case 'askClaim':
      case 'askRecover':
        return
    }
  }

  after(before: MigrationState, state: MigrationState): void {
    const status = migrationStatus(state)
    if (isOver(before) && (state.name !== before.name || status !== migrationStatus(before))) {
      fail(`${before.name} became ${state.name}`)
    }
    if ((state.name === 'cancelling' || state.name === 'ended') && this.targetLives) {
      fail(`${state.name} with a living target`)
    }
  }

  #message(
    effect: Extract<MigrationEffect, { type: 'toSource' | 'toTarget' }>,
    record: OwnershipRecord,
  ): void {
    const { message } = effect
    const newest = newestRange(record)
    // Said again, it says the same; and nobody is asked to open what was dialled.
    if (message.type === 'openOutgoing') {
      if (this.port !== undefined) fail('opened after it was dialled')
      this.opened = true
    }
    if (message.type === 'dial') {
      if (!this.opened || (this.port ?? message.port) !== message.port) fail('dialled before, or elsewhere')
      this.port = message.port
    }
    if (
      message.type === 'claimResult' &&
      message.granted &&
      (newest.host !== 'b' || newest.epoch !== message.epoch)
    ) {
      fail('a claim is called granted that the record does not hold')
    }
    if (message.type === 'recoverResult' && message.granted) {
      if (newest.host !== 'a' || newest.epoch !== message.epoch)
        fail('a recovery that the record does not hold')
      if (this.targetLives) fail('the source goes on while the target lives')
    }
  }
}

function fail(what: string): never {
  throw new Error(what)
}

/** What happens next; impossible things (a dead worker's words) are left out by the world below. */
const EVENT = fc.constantFrom(
  'targetPrepared',
  'targetDiffers',
  'targetFailed',
  'targetExited',
  'targetHostLost',
  'targetHostBack',
  'sourceHostBack',
  'outgoingOpened',
  'progress',
  'claim',
  'claimOfOldState',
  'targetStep',
  'sourceStep',
  'recover',
  'sourceCompleted',
  'sourceCancelled',
  'sourceFailed',
  'sourceExited',
  'workloadEnded',
  'cancel',
  'tick',
  'longTick',
)
type What = typeof EVENT extends fc.Arbitrary<infer T> ? T : never

/** Part of the way as it should be, so that the late states are met as often as the early ones, and then anything. */
const WAY: What[] = ['targetPrepared', 'outgoingOpened', 'progress', 'claim', 'targetStep', 'sourceCompleted']
const story = fc
  .tuple(fc.integer({ min: 0, max: WAY.length }), fc.array(EVENT, { maxLength: 30 }))
  .map(([steps, events]) => [...WAY.slice(0, steps), ...events])

/** After these it is known whether the target holds everything, or it had its time to say so. */
const MAKES_IT_PLAIN = new Set<What>([
  'claim',
  'claimOfOldState',
  'targetExited',
  'targetFailed',
  'workloadEnded',
  'longTick',
])

class World {
  readonly ledger = new Ledger()
  record = accept(
    firstOwner('a'),
    [0, 1, 2].map((step) => outputOf(step, 1)),
  ).record
  state: MigrationState
  nowMs = 0

  constructor() {
    const begun = beginMigration(PLAN)
    this.state = begun.state
    for (const effect of begun.effects) this.ledger.effect(effect, this.record)
  }

  happens(what: What): void {
    const { ledger } = this
    const event = this.#eventOf(what)
    if (event === undefined) return
    const sourceEndsNow = event.type === 'sourceExited' && this.state.name === 'moving'
    ledger.targetMayHoldAll = (ledger.targetMayHoldAll || sourceEndsNow) && !MAKES_IT_PLAIN.has(what)
    if (event.type === 'targetExited') ledger.targetLives = false
    if (event.type === 'targetExited' || event.type === 'targetFailed') ledger.targetBroken = true
    if (event.type === 'sourceExited') ledger.sourceLives = false
    if (event.type === 'workloadEnded') ledger.workloadOver = true
    this.#step(event)
  }

  #step(event: MigrationEvent): void {
    const before = this.state
    const { state, effects } = stepMigration(before, event, this.nowMs)
    this.state = state
    for (const effect of effects) {
      this.ledger.effect(effect, this.record)
      if (effect.type === 'askClaim') this.#askClaim(effect.fromStep)
      if (effect.type === 'askRecover') this.#askRecover()
    }
    this.ledger.after(before, this.state)
  }

  #askClaim(fromStep: number): void {
    const decision = claim(this.record, { migration: 'm', epoch: 1, host: 'b', fromStep })
    this.record = decision.record
    this.#step({ type: 'claimDecided', granted: decision.granted, epoch: decision.epoch })
  }

  #askRecover(): void {
    const decision = recover(this.record, { migration: 'm', epoch: 1, host: 'a' })
    this.record = decision.record
    this.#step({ type: 'recoverDecided', granted: decision.granted, epoch: decision.epoch, error: ERROR })
  }

  #eventOf(what: What): MigrationEvent | undefined {
    const { ledger, record } = this
    const target = ledger.targetLives
    const source = ledger.sourceLives
    switch (what) {
      case 'targetPrepared':
        return target ? { type: 'targetPrepared' } : undefined
      case 'targetDiffers':
        return target ? { type: 'targetPrepared', difference: ERROR } : undefined
      case 'targetFailed':
      case 'targetExited':
        return target ? { type: what, error: ERROR } : undefined
      case 'targetHostLost':
      case 'targetHostBack':
      case 'sourceHostBack':
        return { type: what }
      case 'outgoingOpened':
        return source ? { type: what, port: 1 } : undefined
      case 'progress': {
        const progress = { round: 0, roundPagesSent: 0, roundPages: 0, remainingBytes: 0, sentBytes: 0 }
        const status = (['active', 'preSwitchover', 'switchover'] as const)[this.nowMs % 3] ?? 'active'
        return { type: what, status, progress: { ...progress, bytesPerSecond: 0, step: 0 } }
      }
      case 'claim':
        return target ? { type: 'claim', fromStep: record.acceptedSteps } : undefined
      case 'claimOfOldState':
        return target ? { type: 'claim', fromStep: record.acceptedSteps - 1 } : undefined
      case 'targetStep':
        return target && ledger.targetOwns ? this.#output() : undefined
      case 'sourceStep':
        return source && !ledger.targetOwns ? this.#output() : undefined
      case 'recover':
        return source ? { type: 'recover', error: ERROR } : undefined
      case 'sourceCompleted':
      case 'sourceCancelled':
      case 'sourceFailed': {
        const status = (
          { sourceCompleted: 'completed', sourceCancelled: 'cancelled', sourceFailed: 'failed' } as const
        )[what]
        return source ? { type: 'sourceEnded', status } : undefined
      }
      case 'sourceExited':
        return source ? { type: 'sourceExited', error: ERROR } : undefined
      case 'workloadEnded':
        return source && !ledger.targetOwns ? { type: 'workloadEnded' } : undefined
      case 'cancel':
        return { type: 'cancel', error: ERROR }
      case 'tick':
      case 'longTick':
        this.nowMs += what === 'tick' ? 1001 : 100_000
        return { type: 'tick' }
    }
  }

  #output(): MigrationEvent | undefined {
    const newest = newestRange(this.record)
    this.record = accept(this.record, [outputOf(this.record.acceptedSteps, newest.epoch)]).record
    if (newest.host !== 'b') return undefined
    this.ledger.stepCounts = true
    return { type: 'stepAccepted' }
  }
}

test('whatever happens, nobody is released, killed or promised anything too early', () => {
  fc.assert(
    fc.property(story, (events) => {
      const world = new World()
      for (const event of events) world.happens(event)
    }),
    { numRuns: 3000 },
  )
})

test('once everybody has had their say and time has passed, a migration is over', () => {
  const rest: What[] = [
    'targetStep',
    'longTick',
    'recover',
    'sourceFailed',
    'longTick',
    'sourceExited',
    'targetExited',
    'longTick',
  ]
  fc.assert(
    fc.property(story, (events) => {
      const world = new World()
      for (const event of [...events, ...rest]) world.happens(event)
      expect(isOver(world.state)).toBe(true)
      expect(world.state.name === 'ended' && world.ledger.targetLives).toBe(false)
    }),
    { numRuns: 1000 },
  )
})

test('the ledger sees violations', () => {
  const record = firstOwner('a')
  const claimed = claim(record, { migration: 'm', epoch: 1, host: 'b', fromStep: 0 }).record
  const message = { migrationId: 'm', granted: true, epoch: 2 } as const
  const violations: [string, (ledger: Ledger) => void][] = [
    ['released', (ledger) => ledger.effect({ type: 'releaseSource' }, record)],
    ['has it', (ledger) => ledger.effect({ type: 'workloadLost', error: ERROR }, record)],
    ['otherwise', (ledger) => ledger.effect({ type: 'own', side: 'target' }, record)],
    [
      'alone',
      (ledger) => {
        ledger.targetOwns = true
        ledger.effect({ type: 'killTarget' }, claimed)
      },
    ],
    [
      'could come',
      (ledger) => {
        ledger.targetMayHoldAll = true
        ledger.effect({ type: 'killTarget' }, record)
      },
    ],
    [
      'does not hold',
      (ledger) => ledger.effect({ type: 'toTarget', message: { type: 'claimResult', ...message } }, record),
    ],
    [
      'does not hold',
      (ledger) =>
        ledger.effect({ type: 'toSource', message: { type: 'recoverResult', ...message } }, claimed),
    ],
    [
      'living target',
      (ledger) => {
        ledger.targetLives = true
        ledger.after(
          { name: 'preparing', plan: PLAN },
          { name: 'ended', plan: PLAN, outcome: { status: 'failed', error: ERROR } },
        )
      },
    ],
    [
      'became',
      (ledger) =>
        ledger.after({ name: 'completed', plan: PLAN, epoch: 2 }, { name: 'preparing', plan: PLAN }),
    ],
  ]
  for (const [what, violate] of violations) expect(() => violate(new Ledger()), what).toThrow(what)
})
