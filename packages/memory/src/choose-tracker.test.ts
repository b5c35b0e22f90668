/**
 * Goal: a host gets the best tracker that works there, and is told why when it isn't the best.
 * Method: a proof that fails on purpose stands for a host without userfaultfd.
 */
import { GodwitError } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { chooseTracker, proveUserfaultfd } from './choose-tracker.ts'
import { pagedBytes } from './dirty-tracker.suite.ts'
import { whyNot } from './test-needs.ts'

const missing = whyNot(proveUserfaultfd)
const refuse = (): void => {
  throw new GodwitError('internal', 'The kernel said no.')
}

// Goal: auto takes the kernel's tracker where it works. Method: this host.
test.skipIf(missing !== undefined)(
  `auto is userfaultfd${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    for (const wanted of ['auto', 'userfaultfd'] as const) {
      const { tracker, reason } = chooseTracker(pagedBytes(2).bytes, wanted)
      expect([tracker.kind, reason, tracker.isArmed]).toEqual(['userfaultfd', undefined, false])
      tracker.close()
    }
  },
)

// Goal: auto falls back and says why. Method: the proof fails.
test('auto falls back to compare with the reason', () => {
  const { tracker, reason } = chooseTracker(pagedBytes(2).bytes, 'auto', refuse)
  expect([tracker.kind, reason]).toEqual(['compare', 'The kernel said no.'])
})

// Goal: what was asked for by name is never silently replaced. Method: the proof fails.
test('userfaultfd asked for by name fails with the reason', () => {
  expect(() => chooseTracker(pagedBytes(2).bytes, 'userfaultfd', refuse)).toThrow(
    expect.objectContaining({
      kind: 'bad-arguments',
      message: expect.stringContaining('The kernel said no.'),
    }),
  )
})

// Goal: compare is had without asking the kernel. Method: the proof fails, and nobody notices.
test('compare needs no proof', () => {
  expect(chooseTracker(pagedBytes(2).bytes, 'compare', refuse)).toMatchObject({
    tracker: { kind: 'compare' },
  })
})
