/**
 * Goal: a migration and a checkpoint share one thread, and neither takes the other's park back or copies while the thread runs. Method: the
 * control words with the test in the thread's place, which parks where a thread would.
 */
import { GodwitError } from '@godwit/protocol'
import { expect, test } from 'vitest'
import type { Parked } from './job.ts'
import { Parks } from './parks.ts'
import { ControlWords, REQUEST } from './thread-messages.ts'

function rig(): { control: ControlWords; parks: Parks; announce: () => Parked; isAsked: () => boolean } {
  const control = new ControlWords()
  const parks = new Parks(control)
  const announce = (): Parked => {
    const { park } = control.requested
    return { type: 'parked', park, step: 1, parkedMs: 0, smallState: new Uint8Array() }
  }
  const isAsked = (): boolean =>
    (control.requested.bits & (REQUEST.parkAtBoundary | REQUEST.parkBeforeApply | REQUEST.parkQuietly)) !== 0
  return { control, parks, announce, isAsked }
}

test('a checkpoint copies while the thread stands, and lets it go in the same turn', async () => {
  const { parks, announce, isAsked } = rig()
  const copied = parks.forCheckpoint('boundary', (parked) => [parked.step, isAsked()])
  expect(isAsked()).toBe(true)
  expect(parks.parked(announce())).toBe(true)
  expect(isAsked()).toBe(false)
  expect(await copied).toEqual([1, true])
  expect(parks.parked(announce())).toBe(false)
})

test('a switchover takes a park over, and the checkpoint has its own afterwards', async () => {
  const { parks, announce, isAsked } = rig()
  const copied = parks.forCheckpoint('boundary', (parked) => parked.park)
  const late = announce()
  const park = parks.forSwitchover('preApply')
  // It was announced before the migration asked: by now the thread may be on its way to the other place.
  expect(parks.parked(late)).toBe(false)
  expect(parks.parked(announce())).toBe(false)
  expect(isAsked()).toBe(true)
  parks.switchoverIsOff(park)
  const own = announce()
  expect(own.park).not.toBe(park)
  expect(parks.parked(own)).toBe(true)
  expect(await copied).toBe(own.park)
})

test('a migration that ends without having parked leaves the park of a checkpoint alone', async () => {
  const { parks, announce, isAsked } = rig()
  const copied = parks.forCheckpoint('boundary', () => 'copied')
  const asked = announce()
  parks.switchoverIsOff(0)
  expect(isAsked()).toBe(true)
  expect(announce().park).toBe(asked.park)
  parks.parked(asked)
  expect(await copied).toBe('copied')
})

test('a checkpoint that begins during a switchover waits, and one that is given up takes its park back', async () => {
  const { parks, isAsked, announce } = rig()
  const park = parks.forSwitchover('boundary')
  const waiting = parks.forCheckpoint('boundary', () => 'copied')
  expect(announce().park).toBe(park)
  expect(parks.isSwitchingOver).toBe(true)
  const free = parks.free()
  parks.switchoverIsOff(park)
  await free
  expect(isAsked()).toBe(true)
  parks.giveUp(new GodwitError('cancelled', 'enough'))
  expect(isAsked()).toBe(false)
  await expect(waiting).rejects.toThrow('enough')
})

test('what the copy throws, or the thread says, ends the checkpoint, and the thread goes on', async () => {
  const { parks, announce, isAsked } = rig()
  const throwing = parks.forCheckpoint('boundary', () => {
    throw new Error('no memory')
  })
  parks.parked(announce())
  await expect(throwing).rejects.toThrow('no memory')
  expect(isAsked()).toBe(false)

  const refused = parks.forCheckpoint('boundary', () => 'copied')
  const { park } = announce()
  expect(parks.parkFailed({ park, error: { kind: 'too-large', message: 'a state of 1 GB' } })).toBe(true)
  await expect(refused).rejects.toThrow('a state of 1 GB')
  expect(isAsked()).toBe(false)
})
