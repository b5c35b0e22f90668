/**
 * Goal: nothing on a program's path takes bits from where they differ between machines. Method: read the sources.
 * `Math` is allowed only in the functions that IEEE 754 or the language defines exactly; randomness and clocks not
 * at all. The check is tried on offenders first.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const EXACT = new Set([
  'sqrt',
  'fround',
  'floor',
  'ceil',
  'round',
  'trunc',
  'abs',
  'sign',
  'min',
  'max',
  'imul',
  'clz32',
])
const SOURCES = join(import.meta.dirname, '..')

/** What a source must not use: inexact `Math`, `**` (which is `Math.pow`) of anything but numbers written out, clocks. */
function offences(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
  const math = [...code.matchAll(/\bMath\s*(?:\.\s*(\w+)|\[)/g)].filter(([, name]) => !EXACT.has(name ?? ''))
  const powers = [...code.matchAll(/(\w+)\s*\*\*\s*(\w+)/g)].filter(
    ([, base]) => base !== '2' && base !== '4',
  )
  const clocks = [...code.matchAll(/\b(Date|performance|process|crypto)\s*\./g)]
  return [...math, ...powers, ...clocks].map(([text]) => text)
}

test('the check finds what it looks for', () => {
  expect(offences('x = Math.exp(1) + Math["log"](2) + Math.random()')).toHaveLength(3)
  expect(offences('power = beta ** step; now = Date.now()')).toHaveLength(2)
  expect(offences('y = Math.sqrt(Math.fround(2 ** 32)) // Math.exp')).toEqual([])
})

const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(
  (file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('support'),
)

test.each(files)('%s uses exact arithmetic only', (file) => {
  expect(offences(readFileSync(join(SOURCES, file), 'utf8'))).toEqual([])
})

test('the programs are among the files', () => {
  expect(files).toContain(join('programs', 'mnist-mlp.ts'))
})
