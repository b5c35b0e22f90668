/**
 * How the messages of a conversation are fuzzed: valid ones of every kind, changed as bytes and as values, and random bytes, read as a
 * `Channel` reads them. What is believed passes its schema a second time after a second journey, and has no more parts than bytes.
 */
import { checkMessage, decodeValue, encodeValue, GodwitError } from '@godwit/protocol'
import fc from 'fast-check'
import type { z } from 'zod'
import { examplesOf } from './examples.ts'
import { fuzz, seedFor, valueOrRefusal } from './fuzzing.ts'
import { almost, changeValue, VALUE_CHANGES } from './mutations.ts'

export function fuzzMessages(name: string, schema: z.ZodType): void {
  const valid = examplesOf(schema, 12, seedFor(name))
  const asBytes = almost(valid.map((value) => encodeValue(value)))
  const asValues = fc
    .tuple(fc.nat(valid.length - 1), VALUE_CHANGES)
    .map(([which, changes]) => encodedIfPlain(changes.reduce(changeValue, valid[which])))
  fuzz(`${name}: a message that passes its schema, or a refusal`, fc.oneof(asBytes, asValues), (bytes) => {
    const value = valueOrRefusal(() => checkMessage(schema, decodeValue(bytes)), ['bad-message', 'too-large'])
    if (value === undefined) return
    // What has a default may have been left out.
    checkPlain(value, 2 * bytes.length)
    const again = encodeValue(value)
    if (!encodeValue(checkMessage(schema, decodeValue(again))).equals(again))
      throw new Error('what was believed is not believed as it was when it is sent on')
  })
}

/** Plain data, of no more parts than it had bytes. */
export function checkPlain(value: unknown, byteLength: number): void {
  let parts = 0
  const waiting = [value]
  while (waiting.length > 0) {
    const item = waiting.pop()
    parts += 1
    if (parts > byteLength) throw new Error(`more parts than the ${byteLength} bytes that were sent`)
    if (typeof item === 'string' && item.length > byteLength)
      throw new Error('a text longer than what was sent')
    if (typeof item !== 'object' || item === null) continue
    if (ArrayBuffer.isView(item)) {
      if (item.buffer.byteLength > byteLength) throw new Error('bytes that were not sent')
      continue
    }
    const prototype: unknown = Object.getPrototypeOf(item)
    if (!Array.isArray(item) && prototype !== Object.prototype && prototype !== null)
      throw new Error('an object that is not plain')
    for (const inner of Object.values(item)) waiting.push(inner)
  }
}

/** What can't be sent at all is sent as nothing. */
function encodedIfPlain(value: unknown): Buffer {
  try {
    return encodeValue(value)
  } catch (error) {
    if (!(error instanceof GodwitError)) throw error
    return Buffer.alloc(0)
  }
}
