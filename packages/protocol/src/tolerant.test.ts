/**
 * Goal: an agent of this release goes on under a coordinator of the next one, and believes no more than before. Method: this release's messages, with what a
 * later one may add: fields, at any depth, and messages.
 */
import { expect, test } from 'vitest'
import { toAgent } from './agent-messages.ts'
import { migrationOptions } from './migration.ts'
import { tolerant } from './tolerant.ts'
import { toWorker } from './worker-messages.ts'

const agent = tolerant(toAgent)
const worker = tolerant(toWorker)
const kill = { type: 'kill', workerId: 'w' } as const
const open = {
  ...{ type: 'openOutgoing', migrationId: 'm', from: 'a', to: 'b', secret: 'a'.repeat(64), elapsedMs: 1 },
  options: migrationOptions.parse({}),
} as const

test('what this release says is read as ever', () => {
  expect(agent.parse(kill)).toEqual(kill)
  expect(worker.parse(open)).toEqual(open)
})

test('fields of a later release are left out, wherever they stand, and what was sent stays as it is', () => {
  const newer = { ...open, colour: 'red', options: { ...open.options, colour: { deep: 1 } } }
  const before = structuredClone(newer)
  expect(worker.parse(newer)).toEqual(open)
  expect(agent.parse({ type: 'toWorker', workerId: 'w', message: newer, shape: 1 })).toEqual({
    ...{ type: 'toWorker', workerId: 'w', message: open },
  })
  expect(newer).toEqual(before)
})

test('messages of a later release are none', () => {
  expect(agent.parse({ type: 'dance', workerId: 'w' })).toBeNull()
  expect(agent.parse({ type: 'toWorker', workerId: 'w', message: { type: 'dance' } })).toBeNull()
  expect(worker.parse({ type: 'dance' })).toBeNull()
})

test('what is wrong is wrong, beside something unknown too', () => {
  for (const wrong of [
    { ...kill, workerId: 7 },
    { ...kill, workerId: 7, colour: 'red' },
    { type: 'toWorker', workerId: 'w', message: { ...open, elapsedMs: 'long', colour: 'red' } },
    { type: 'toWorker', workerId: 'w', message: { type: 7 } },
    { workerId: 'w' },
    null,
    'kill',
    { ...kill, ...Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`k${index}`, 1])) },
  ])
    expect(agent.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false)
})
