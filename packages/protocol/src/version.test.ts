/**
 * Goal: the wire can't change without the protocol version noticing. Method: a hash of every schema and of the
 * bulk frame's constants, pinned to the version. If this fails you changed the wire: raise PROTOCOL_VERSION, write its line in
 * the history (version.ts), PROTOCOL.md and the CHANGELOG, and pin the new hash here.
 */
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { fromAgent, toAgent } from './agent-messages.ts'
import { encodeRoundEnd } from './bulk-frame.ts'
import { clientRequest, REPLIES } from './client-messages.ts'
import { fromClient, toClient } from './event-messages.ts'
import { fromJoiner, toJoiner } from './join-messages.ts'
import { fromSource, fromTarget } from './stream-messages.ts'
import { commonVersion, PROTOCOL_VERSION } from './version.ts'
import { fromWorker, toWorker } from './worker-messages.ts'

const PINNED: Record<number, string> = { 1: '54f16b76e7bd4391' }

test('the schemas are those of this protocol version', () => {
  const schemas = [
    fromSource,
    fromTarget,
    fromWorker,
    toWorker,
    fromAgent,
    toAgent,
    fromClient,
    toClient,
    clientRequest,
    fromJoiner,
    toJoiner,
  ]
  const described = [...schemas, ...Object.values(REPLIES)].map((schema) =>
    z.toJSONSchema(schema, { unrepresentable: 'any', io: 'output' }),
  )
  const frame = encodeRoundEnd({ version: 1, stream: 2, round: 3, sequence: 4 }).toString('hex')
  const hash = createHash('sha256')
    .update(JSON.stringify([described, frame]))
    .digest('hex')
    .slice(0, 16)
  expect(hash).toBe(PINNED[PROTOCOL_VERSION])
})

test('two sides speak the highest version that both know', () => {
  expect(commonVersion({ min: 1, max: 3 }, { min: 2, max: 5 })).toBe(3)
  expect(commonVersion({ min: 4, max: 5 }, { min: 1, max: 3 })).toBeUndefined()
})
