/**
 * Goal: the digests name every function of `Math` that a program refers to, and one differs when a single bit of its
 * function does. Method: functions of `Math` are replaced by slightly different ones, as another CPU would.
 */
import { afterEach, expect, test, vi } from 'vitest'
import { mathDigests } from './math-digests.ts'

afterEach(() => {
  vi.restoreAllMocks()
  Reflect.deleteProperty(Math, 'sumOfList')
})

test('functions are found by name, once; constants, Math.random and what is no function are not', () => {
  const code =
    'const a=Math.exp(1)+Math.exp(2)*Math.PI;Math.random();Math.atan2(a,1);Math.nothing;myMath.sin(1)'
  expect(Object.keys(mathDigests(code))).toEqual(['atan2', 'exp'])
  expect(mathDigests('Maths.exp(1)')).toEqual({})
})

test('digests repeat, and differ between functions', () => {
  const first = mathDigests('Math.sin Math.cos')
  expect(mathDigests('Math.sin Math.cos')).toEqual(first)
  expect(first.sin).not.toBe(first.cos)
})

test('one bit of one value makes another digest, the sign of a zero too', () => {
  const { exp } = Math
  const honest = mathDigests('Math.exp')
  let calls = 0
  vi.spyOn(Math, 'exp').mockImplementation((x) => {
    calls += 1
    return calls === 1000 ? exp(x) * (1 + Number.EPSILON) : exp(x)
  })
  expect(mathDigests('Math.exp')).not.toEqual(honest)
  vi.spyOn(Math, 'exp').mockImplementation(() => 0)
  const zeros = mathDigests('Math.exp')
  vi.spyOn(Math, 'exp').mockImplementation(() => -0)
  expect(mathDigests('Math.exp')).not.toEqual(zeros)
})

test('the sign of a NaN, which differs between CPUs and which no program sees, does not matter', () => {
  const negative = new Float64Array(BigUint64Array.of(0xfff8_0000_0000_0000n).buffer)
  vi.spyOn(Math, 'log').mockImplementation(() => Number.NaN)
  const positive = mathDigests('Math.log')
  vi.spyOn(Math, 'log').mockImplementation(() => negative[0] as number)
  expect(mathDigests('Math.log')).toEqual(positive)
})

test('a function that takes no numbers is left out', () => {
  Object.assign(Math, { sumOfList: (list: Iterable<number>) => [...list].length })
  expect(mathDigests('Math.sumOfList Math.sqrt')).toEqual(mathDigests('Math.sqrt'))
})
