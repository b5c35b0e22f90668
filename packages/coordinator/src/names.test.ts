/** Goal: what the coordinator names, every other process accepts. Method: the protocol's own schema of a launch. */
import { launch, makeWorkloadId } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkWorkloadId, MAX_WORKLOAD_ID_LENGTH, makeSecret, makeWorkerId } from './names.ts'

const isLabel = (text: string): boolean => launch.shape.workerId.safeParse(text).success

test('names made of any program are labels, and so are their workers', () => {
  expect(makeWorkloadId('/programs/mnist-mlp.ts')).toMatch(/^mnist-mlp-[a-z0-9]{4}$/)
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), (program) => {
      const id = checkWorkloadId(makeWorkloadId(program))
      expect(isLabel(id)).toBe(true)
      expect(isLabel(makeWorkerId(id, Number.MAX_SAFE_INTEGER))).toBe(true)
    }),
  )
})

test('an id from outside leaves room for its workers', () => {
  const longest = 'x'.repeat(MAX_WORKLOAD_ID_LENGTH)
  expect(isLabel(makeWorkerId(checkWorkloadId(longest), Number.MAX_SAFE_INTEGER))).toBe(true)
  expect(() => checkWorkloadId(`${longest}x`)).toThrow(expect.objectContaining({ kind: 'bad-arguments' }))
  expect(makeWorkerId('job', 2)).not.toBe(makeWorkerId('job', 2))
  expect(makeSecret()).toMatch(/^[0-9a-f]{64}$/)
})
