/** Goal: a name finds the right file, nothing outside of the folders, and a miss says where was looked. Method: real files. */
import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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
})

test('a file in a folder is found by its absolute path, however folder and file are spelled', () => {
  expect(resolveProgram(join(second, 'b.js'), folders)).toBe(join(second, 'b.js'))
  expect(resolveProgram(join(second, '..', 'second', 'b.js'), folders)).toBe(join(second, 'b.js'))
  symlinkSync(second, join(root, 'alias'))
  expect(resolveProgram(join(second, 'b.js'), [join(root, 'alias')])).toBe(join(second, 'b.js'))
  symlinkSync(join(second, 'b.js'), join(first, 'of-second.js'))
  expect(resolveProgram('of-second', folders), 'a link into another folder').toBe(join(second, 'b.js'))
})

test('no other file is, not even through a link or a folder whose name begins alike', () => {
  symlinkSync(join(outside, 'secret.ts'), join(first, 'link.ts'))
  symlinkSync(outside, join(first, 'away'))
  mkdirSync(`${second}-2`)
  writeFileSync(join(`${second}-2`, 'c.js'), '')
  for (const program of [
    join(outside, 'secret.ts'),
    join(outside, 'not-even-there.ts'),
    join(second, '..', 'outside', 'secret.ts'),
    join(first, 'link.ts'),
    'link',
    'away/secret',
    join(`${second}-2`, 'c.js'),
    second,
    '/etc/passwd',
  ]) {
    expect(() => resolveProgram(program, folders, builtIn), program).toThrow(
      expect.objectContaining({
        kind: 'forbidden',
        message: expect.stringMatching(new RegExp(`${first}, ${second}.*--programs`)),
      }),
    )
  }
  expect(() => resolveProgram(join(second, 'b.js'), [])).toThrow(
    expect.objectContaining({ kind: 'forbidden', message: expect.stringContaining('no folder') }),
  )
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
  expect(() => resolveProgram(join(first, 'none.ts'), folders, builtIn)).toThrow(
    expect.objectContaining({ kind: 'program-missing' }),
  )
})
