/** Goal: what a host says of itself is what the protocol takes. Method: this one. */
import { GodwitError, hostCheck } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { checkHost } from './host-check.ts'

const bundle = { digest: 'a'.repeat(64), bytes: 7 }
const unasked = { look: () => Promise.reject(new Error('nobody asked')) }

test('this host says which Node it has, and that some memory is free', async () => {
  const said = hostCheck.parse(await checkHost(unasked))
  expect(said).toMatchObject({ node: process.version, arch: process.arch })
  expect(said.freeMemoryBytes).toBeGreaterThan(0)
})

test('of a bundle it says what is missing, or why it can not say', async () => {
  const look = { look: async () => ({ bytes: 7, missingBytes: 3 }) }
  expect(hostCheck.parse(await checkHost(look, bundle)).bundle).toEqual({ bytes: 7, missingBytes: 3 })
  const refuses = { look: () => Promise.reject(new GodwitError('forbidden', 'not here')) }
  expect(hostCheck.parse(await checkHost(refuses, bundle))).toMatchObject({
    bundleError: { kind: 'forbidden', message: 'not here' },
  })
})
