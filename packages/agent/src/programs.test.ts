/** Goal: a name finds the right file, nothing outside of the folders, and a miss says where was looked. Method: real files. */
import { mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { resolveProgram } from './programs.ts'
import { temporaryFolder } from './support/host.ts'

const root = realpathSync(temporaryFolder())
const [first, second, outside] = ['first', 'second', 'outside'].map((name) => join(root, name)) as [
  string,
  string,
  string,
]
const folders = [first, second]

beforeAll(() => {
  for (const folder of [first, second, outside]) mkdirSync(folder)
  mkdirSync(join(first, 'plain'))
  for (const file of [
    'first/a.ts',
    'second/a.mjs',
    'second/b.js',
    'outside/secret.ts',
    'outside/builtin.ts',
  ]) {
    writeFileSync(join(root, file), '')
  }
})
afterAll(() => rmSync(root, { recursive: true }))

const builtIn = (name: string) => join(outside, `${name}.ts`)

test('names are found in order, with or without their extension, then among the built-ins', () => {
  expect(resolveProgram('a', folders, builtIn)).toBe(join(first, 'a.ts'))
  expect(resolveProgram('a.mjs', folders, builtIn)).toBe(join(second, 'a.mjs'))
  expect(resolveProgram('b', folders, builtIn)).toBe(join(second, 'b.js'))
  expect(resolveProgram('builtin', folders, builtIn)).toBe(join(outside, 'builtin.ts'))
  expect(resolveProgram(join(outside, 'secret.ts'), folders, builtIn)).toBe(join(outside, 'secret.ts'))
})

test('the programs of the trainer are built in', () => {
  expect(resolveProgram('mnist-mlp', [])).toMatch(/trainer\/src\/programs\/mnist-mlp\.ts$/)
})

test('nothing leads out of the folders', () => {
  for (const program of [
    '../outside/secret',
    '../outside/secret.ts',
    '..',
    '.',
    'plain/../../outside/secret',
  ]) {
    expect(() => resolveProgram(program, folders, builtIn)).toThrow(
      expect.objectContaining({ kind: 'bad-arguments' }),
    )
  }
  expect(() => resolveProgram('../outside/secret', [], builtIn)).toThrow(
    expect.objectContaining({ kind: 'program-missing' }),
  )
})

test('a miss says where was looked', () => {
  for (const program of ['plain', 'none']) {
    expect(() => resolveProgram(program, folders, builtIn)).toThrow(
      expect.objectContaining({
        kind: 'program-missing',
        message: expect.stringContaining(`${first}, ${second}`),
      }),
    )
  }
  expect(() => resolveProgram('/none.ts', folders, builtIn)).toThrow(
    expect.objectContaining({ kind: 'program-missing' }),
  )
})
