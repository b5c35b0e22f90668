/** The wire as data: every schema as JSON Schema, by name, and the constants of a bulk frame. For tests, and frozen with each release (scripts/freeze-release.mjs). */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { fromAgent, toAgent } from '../agent-messages.ts'
import { encodeRoundEnd } from '../bulk-frame.ts'
import { clientRequest, REPLIES } from '../client-messages.ts'
import { fromClient, toClient } from '../event-messages.ts'
import { fromJoiner, toJoiner } from '../join-messages.ts'
import { fromSource, fromTarget } from '../stream-messages.ts'
import { fromWorker, toWorker } from '../worker-messages.ts'

export interface Wire {
  readonly schemas: Readonly<Record<string, object>>
  /** The bytes of an end of round, in hex. */
  readonly frame: string
}

export function describeWire(): Wire {
  const messages = { fromSource, fromTarget, fromWorker, toWorker, fromAgent, toAgent, fromClient, toClient }
  const schemas = { ...messages, clientRequest, fromJoiner, toJoiner, ...REPLIES }
  return {
    schemas: Object.fromEntries(
      Object.entries(schemas).map(([name, schema]) => [
        name,
        z.toJSONSchema(schema as z.ZodType, { unrepresentable: 'any', io: 'output' }),
      ]),
    ),
    frame: encodeRoundEnd({ version: 1, stream: 2, round: 3, sequence: 4 }).toString('hex'),
  }
}

export function hashWire({ schemas, frame }: Wire): string {
  const text = JSON.stringify([Object.values(schemas), frame])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
