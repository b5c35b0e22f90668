/** The verdict on a job to which something happened: it is to the bit what one is that was left alone. */
import type { Output, WorkloadView } from '@godwit/protocol'
import { lossBits } from '@godwit/testkit'
import { expect } from 'vitest'

interface Ended {
  readonly outputs: readonly Output[]
  readonly ended: WorkloadView | undefined
}

/** Every loss, and all memory at the end. `whose`: for the message, where there are several. */
export function expectSameBits(job: Ended, control: Ended, whose = 'the job'): void {
  expect(lossBits(job.outputs) === lossBits(control.outputs), `every loss of ${whose}`).toBe(true)
  expect(job.ended?.stateDigest, `memory of ${whose}`).toMatch(/^[0-9a-f]{64}$/)
  expect(job.ended?.stateDigest).toBe(control.ended?.stateDigest)
}
