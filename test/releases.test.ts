/**
 * Goal: what was released is kept as it was, and this release speaks with the one before it by the rules of docs/adr/0011-coordinators-are-upgraded-first.md:
 * what an older one says is understood, and what is said to it is, once it has left out what it does not know.
 * Method: the schemas that were frozen with each release, beside those of now; and changes that break each rule.
 */
import { MIN_PROTOCOL_VERSION, RELEASE } from '@godwit/protocol'
import { describe, expect, test } from 'vitest'
import { describeWire, hashWire, type Wire } from '../packages/protocol/src/support/schemas.ts'
import { frozenFiles, frozenVersions } from './support/releases.ts'
import { notUnderstood, type Schema } from './support/schema-growth.ts'

/** By their hash, which packages/protocol/src/version.test.ts pins to a version. */
const WIRES: Readonly<Record<string, { readonly hash: string; readonly protocol: number }>> = {
  '0.1.0': { hash: 'ccc3db9aab4231c8', protocol: 1 },
}

/** From an older one: read strictly. */
const HEARD = ['fromWorker', 'fromAgent', 'fromClient', 'clientRequest', 'fromJoiner']
/** To an older one: it reads tolerantly, or there is nothing new. */
const TOLD = ['toWorker', 'toAgent']
const UNCHANGED = ['fromSource', 'fromTarget', 'toJoiner']

function wireOf(version: string): Wire {
  return JSON.parse(frozenFiles(version)['wire.json'] as string) as Wire
}

const now = describeWire()
const schema = ({ schemas }: Wire, name: string): Schema => schemas[name] as Schema

describe.each(frozenVersions())('release %s', (version) => {
  test('is what it was: our own code, small, without a path of the machine that froze it', () => {
    expect(hashWire(wireOf(version))).toBe(WIRES[version]?.hash)
    expect(version).not.toBe(RELEASE)
    const files = frozenFiles(version)
    const text = Object.values(files).join('\n')
    expect(text.length).toBeLessThan(8 * 2 ** 20)
    expect(text).not.toMatch(/\/(home|root|Users|tmp\/h|work)\/|node_modules\/[a-z@]|sourceMappingURL/)
    expect(Object.keys(files).filter((path) => !/^(wire\.json|packages\/[a-z]+\/)/.test(path))).toEqual([])
  })

  const isSpoken = (WIRES[version]?.protocol ?? 0) >= MIN_PROTOCOL_VERSION
  test.runIf(isSpoken)('is understood, and understands', () => {
    const then = wireOf(version)
    const wrong = [
      ...HEARD.flatMap((name) => notUnderstood(schema(then, name), schema(now, name), false, name)),
      ...TOLD.flatMap((name) => notUnderstood(schema(now, name), schema(then, name), true, name)),
    ]
    expect(wrong).toEqual([])
    for (const name of UNCHANGED) expect(schema(now, name), name).toEqual(schema(then, name))
    expect(now.frame).toBe(then.frame)
  })
})

test('a change that breaks a rule is found', () => {
  const text = { type: 'string', maxLength: 10 }
  const message = (type: string, properties: Record<string, Schema>, required: string[]): Schema => ({
    type: 'object',
    properties: { type: { type: 'string', const: type }, ...properties },
    required: ['type', ...required],
    additionalProperties: false,
  })
  const old = { oneOf: [message('one', { a: text, b: { enum: ['x', 'y'] } }, ['a'])] }
  const alike = (schema: Schema): string[][] => [
    notUnderstood(old, { oneOf: [schema] }, false),
    notUnderstood({ oneOf: [schema] }, old, true),
  ]
  expect(alike(message('one', { a: text, b: { enum: ['x', 'y'] }, c: text }, ['a']))).toEqual([[], []])
  expect(alike(message('one', { a: text, b: { enum: ['x', 'y'] }, c: text }, ['a', 'c']))).toEqual([
    [' one.c may be left out'],
    [],
  ])
  expect(alike(message('one', { a: text, b: { enum: ['x', 'y', 'z'] } }, ['a']))).toEqual([
    [],
    [' one.b: z may be said'],
  ])
  expect(alike(message('one', { a: { ...text, maxLength: 5 }, b: { enum: ['x'] } }, []))).toEqual([
    [' one.a: another maxLength', ' one.b: y may be said'],
    [' one.a may be left out'],
  ])
  expect(alike(message('one', { a: { type: 'number' } }, ['a']))).toEqual([
    [' one.a: another type', ' one.b may be said'],
    [' one.a: another type', ' one.a: another maxLength'],
  ])
  expect(alike(message('two', {}, []))).toEqual([[': one may be said'], []])
  const two = { oneOf: [...old.oneOf, message('two', {}, [])] }
  expect([notUnderstood(two, old, true), notUnderstood(two, old, false)]).toEqual([[], [': two may be said']])
})
