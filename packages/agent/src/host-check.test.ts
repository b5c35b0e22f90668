/** Goal: what a host says of itself is what the protocol takes. Method: this one. */
import { hostCheck } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { checkHost } from './host-check.ts'

test('this host says which Node it has, and that some memory is free', () => {
  const said = hostCheck.parse(checkHost())
  expect(said).toMatchObject({ node: process.version, arch: process.arch })
  expect(said.freeMemoryBytes).toBeGreaterThan(0)
})
