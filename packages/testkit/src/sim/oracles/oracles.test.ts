/**
 * Goal: each oracle can fail. Method: the history of one good migration passes; then for each invariant one change that
 * breaks it, and the sentence that must come of it.
 */
import type { MigrationView, WorkloadView } from '@godwit/protocol'
import { expect, test } from 'vitest'
import type { Happening, Told } from '../happenings.ts'
import { type ProgramShape, Reference } from '../program.ts'
import { judge } from './judge.ts'
import { complaintOf, type Scene } from './liveness.ts'

const shape: ProgramShape = {
  seed: 1,
  pages: 4,
  writes: 2,
  splits: true,
  deltaBytes: 8,
  computeMs: 10,
  applyMs: 1,
  steps: 4,
}
const reference = new Reference(shape)
const workload = 'job'
const [source, target] = [
  { worker: 'source', workload },
  { worker: 'target', workload },
]
const A = { epoch: 1, host: 'a', fromStep: 0 }
const B = { epoch: 2, host: 'b', fromStep: 2 }

const stored = (acceptedSteps: number, ...ranges: (typeof A)[]): Told => ({
  type: 'stored',
  workload,
  ranges,
  acceptedSteps,
})
const published = (by: typeof source, step: number, epoch: number): Told => ({
  type: 'published',
  ...by,
  step,
  epoch,
  isOwn: true,
})
const accepted = (step: number, epoch: number): Told => ({
  type: 'accepted',
  workload,
  step,
  epoch,
  loss: reference.lossOf(step),
})

const LAUNCHED: Told[] = [
  { type: 'launched', ...source, host: 'a', mode: 'fresh' },
  { type: 'launched', ...target, host: 'b', mode: 'incoming' },
]
const BEFORE: Told[] = [
  stored(0, A),
  ...LAUNCHED,
  published(source, 0, 1),
  published(source, 1, 1),
  stored(2, A),
  accepted(0, 1),
  accepted(1, 1),
  { type: 'froze', ...source, step: 2, epoch: 1 },
]
const AFTER: Told[] = [
  { type: 'installed', ...target, step: 2, digest: reference.digestAfter(2) },
  stored(2, A, B),
  published(target, 2, 2),
  stored(3, A, B),
  accepted(2, 2),
  { type: 'gone', ...source, why: 'released' },
]

function judged(...told: Told[]): string | undefined {
  return judge(
    told.map((each, atMs) => ({ ...each, atMs }) as Happening),
    { shapes: { job: shape } },
  )
}

test('a migration as it should be breaks nothing, nor does one that is taken back', () => {
  expect(judged(...BEFORE, ...AFTER)).toBeUndefined()
  const back = { epoch: 2, host: 'a', fromStep: 2 }
  const thawed: Told = { type: 'thawed', ...source, step: 2, epoch: 2, digest: reference.digestAfter(2) }
  expect(judged(...BEFORE, stored(2, A, back), thawed, published(source, 2, 2))).toBeUndefined()
})

test.each<[string, Told[]]>([
  ['I2: step 1 was accepted a second time', [...BEFORE, accepted(1, 1)]],
  ['I2: step 3 was accepted where 2 is due', [...BEFORE, stored(4, A), accepted(3, 1)]],
  ['I2: step 2 was told of before it was stored', [...BEFORE, accepted(2, 1)]],
  ['I2: step 0 has loss', [...LAUNCHED, stored(1, A), { ...accepted(0, 1), loss: 0.5 } as Told]],
  ['I1: step 3 is of epoch 1', [...BEFORE, ...AFTER, stored(4, A, B), accepted(3, 1)]],
  ['I1: target publishes step 0 of job under epoch 1, as source does', [...BEFORE, published(target, 0, 1)]],
  ['I1: step 2 of job counts under epoch 9', [...BEFORE, stored(3, A), accepted(2, 9)]],
  ['I4: target publishes step 2 of job under epoch 2', [...BEFORE, published(target, 2, 2), ...AFTER]],
  ['I4: step 2 of job counts under epoch 1 although 2 owns', [...BEFORE, stored(3, A, B), accepted(2, 1)]],
  [
    'I4: epoch 2 of job was given to b and to a',
    [...BEFORE, stored(2, A, B), stored(2, A, { ...B, host: 'a' })],
  ],
  ['I4: epoch 1 of job comes after 2', [...BEFORE, stored(2, A, B), stored(2, A)]],
  [
    'I4: source of job froze under epoch 1 and steps again under the same',
    [...BEFORE, { type: 'thawed', ...source, step: 2, epoch: undefined, digest: reference.digestAfter(2) }],
  ],
  [
    'I4: source of job steps again under epoch 2, which its host was not given',
    [...BEFORE, { type: 'thawed', ...source, step: 2, epoch: 2, digest: reference.digestAfter(2) }],
  ],
  [
    'I4: target of job is restored under epoch 7',
    [...BEFORE, { type: 'restored', ...target, step: 0, epoch: 7, digest: reference.digestAfter(0) }],
  ],
  [
    'I3: the source source of job does not hold',
    [
      ...BEFORE,
      stored(2, A, { ...B, host: 'a' }),
      { type: 'thawed', ...source, step: 2, epoch: 2, digest: reference.digestAfter(1) },
    ],
  ],
  [
    'no page lost: the target target of job does not hold',
    [...BEFORE, { type: 'installed', ...target, step: 2, digest: reference.digestAfter(1) }],
  ],
  [
    'I3: source, frozen under epoch 1, was released',
    [...BEFORE, { type: 'gone', ...source, why: 'released' }],
  ],
  [
    'I3: source, frozen under epoch 1, was killed',
    [...BEFORE, stored(2, A, B), { type: 'gone', ...source, why: 'killed' }],
  ],
  [
    'a bug in coordinator',
    [...BEFORE, { type: 'bug', party: 'coordinator', text: 'undefined is no function' }],
  ],
])('%s', (sentence, told) => {
  expect(judged(...told)).toContain(sentence)
})

test('a source that a fault kills is the fault’s doing, and one whose job is over is needed no more', () => {
  expect(judged(...BEFORE, { type: 'gone', ...source, why: 'fault' })).toBeUndefined()
  const view = { ...running, status: 'finished' } as WorkloadView
  expect(
    judged(...BEFORE, { type: 'workload', view }, { type: 'gone', ...source, why: 'killed' }),
  ).toBeUndefined()
})

const running = {
  id: 'job',
  status: 'running',
  host: 'a',
  acceptedSteps: 2,
  restartPolicy: 'on-failure',
} as WorkloadView
const worker = { name: 'source', workload, host: 'a', isFrozen: false, isParked: false }
const quiet: Scene = {
  awayAgents: [],
  isCoordinatorUp: true,
  workers: [worker],
  ports: [],
  connections: 0,
  workloads: [running],
  migrations: [{ id: 'm', workload, status: 'failed' } as MigrationView],
  hosts: [{ name: 'a', state: 'connected' }],
  stopped: new Set(),
  shapes: { job: shape },
  bereft: new Map(),
  progress: new Map([['job', 1]]),
}
const finished = {
  ...running,
  status: 'finished',
  acceptedSteps: 4,
  stateDigest: reference.digestAfter(4),
} as const

test('a quiet cluster, and a finished job', () => {
  expect(complaintOf(quiet)).toBeUndefined()
  expect(complaintOf({ ...quiet, workers: [], workloads: [finished] })).toBeUndefined()
  expect(
    complaintOf({
      ...quiet,
      workers: [],
      workloads: [{ ...running, status: 'stopped' }],
      stopped: new Set(['job']),
    }),
  ).toBeUndefined()
})

test.each<[string, Partial<Scene>]>([
  ['I5: the coordinator is down', { isCoordinatorUp: false }],
  ['I5: the agent of b is not registered', { awayAgents: ['b'] }],
  [
    'I5: migration m of job is still active',
    { migrations: [{ id: 'm', workload, status: 'active' } as MigrationView] },
  ],
  ['I5: the maintenance of a is not over', { hosts: [{ name: 'a', state: 'maintenance' }] }],
  ['I5: job is called running, and no process of it lives', { workers: [] }],
  ['I6: job has 2 processes', { workers: [worker, { ...worker, name: 'target', host: 'b' }] }],
  ['I6: job runs on b and is said to run on a', { workers: [{ ...worker, host: 'b' }] }],
  ['I5: source of job is frozen for ever', { workers: [{ ...worker, isFrozen: true }] }],
  ['I5: source of job is parked for ever', { workers: [{ ...worker, isParked: true }] }],
  ['I5: no step of job is accepted any more', { progress: new Map() }],
  ['I5: job is still restarting', { workloads: [{ ...running, status: 'restarting' }] }],
  ['I6: job has finished, and source still lives', { workloads: [finished] }],
  [
    'I5: job is called finished after 3 of 4',
    { workers: [], workloads: [{ ...finished, acceptedSteps: 3 }] },
  ],
  [
    'I2: job ended in another state',
    { workers: [], workloads: [{ ...finished, stateDigest: 'f'.repeat(64) }] },
  ],
  ['I5: job was stopped, and nobody asked', { workers: [], workloads: [{ ...running, status: 'stopped' }] }],
  ['I5: job has failed after 0 kills', { workers: [], workloads: [{ ...running, status: 'failed' }] }],
  [
    'I2: step 1 of job was computed again',
    { workloads: [{ ...running, diverged: { step: 1, acceptedLoss: 1, recomputedLoss: 2 } }] },
  ],
  [
    'I6: stray runs for other, which nobody knows',
    { workers: [worker, { ...worker, name: 'stray', workload: 'other' }] },
  ],
  ['I6: a source still listens at a:1', { ports: ['a:1'] }],
  ['I6: 2 connections between workers are left', { connections: 2 }],
])('%s', (sentence, change) => {
  expect(complaintOf({ ...quiet, ...change })).toContain(sentence)
})
