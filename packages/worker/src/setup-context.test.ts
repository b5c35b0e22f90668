/**
 * Goal: setup gives a program what it asks for, records what two hosts must have in common, and refuses the rest in words
 * for the author. Method: a context over a fresh arena and a folder of files.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Arena } from '@godwit/memory'
import { type GodwitError, LIMITS } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Dtype } from './contract.ts'
import { RecordingSetup } from './setup-context.ts'
import { ProgramFolder } from './support/program-folder.ts'

let folder: ProgramFolder
let setup: RecordingSetup

beforeEach(() => {
  folder = new ProgramFolder()
  setup = new RecordingSetup(new Arena(), join(folder.path, 'program.ts'), { seed: 3 })
})
afterEach(() => folder.remove())

function refusal(body: () => unknown): Pick<GodwitError, 'kind' | 'message'> {
  try {
    body()
  } catch (error) {
    return error as GodwitError
  }
  throw new Error('nothing was refused')
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

test('tensors lie in the arena one after another, and parameters can not be changed', () => {
  const weights = setup.tensor('weights', 'float32', [3, 5])
  const counts = setup.tensor('counts', 'uint8', [7])
  expect([weights.length, counts.length, counts.byteOffset]).toEqual([15, 7, 4096])
  expect(setup.parameters).toEqual({ seed: 3 })
  expect(() => Object.assign(setup.parameters, { seed: 4 })).toThrow(TypeError)
})

test('delta arrays are recorded; a repeated name, an odd length, dtype or name is refused', () => {
  setup.delta('gradient', 'float32', 10)
  setup.delta('rows', 'int32', 0)
  expect([...setup.deltaArrays]).toEqual([
    ['gradient', { dtype: 'float32', maxLength: 10 }],
    ['rows', { dtype: 'int32', maxLength: 0 }],
  ])
  for (const [declare, message] of [
    [() => setup.delta('rows', 'int32', 5), 'the delta array rows is declared twice'],
    [() => setup.delta('a', 'int32', 1.5), 'the delta array a has 1.5 elements at most'],
    [() => setup.delta('b', 'int32', -1), 'the delta array b has -1 elements at most'],
    [() => setup.delta('c', 'float16' as Dtype, 1), 'of dtype float16: use one of float32'],
    [() => setup.delta('', 'int32', 1), 'a string of 1 to'],
  ] as const) {
    expect(refusal(declare)).toMatchObject({ kind: 'program-invalid' })
    expect(refusal(declare).message).toContain(message)
  }
  expect(setup.deltaArrays.size).toBe(2)
})

test('a local file is read whole and recorded once, however it is spelt', () => {
  folder.write('data/corpus.txt', 'whale')
  expect(Buffer.from(setup.localFile('data/corpus.txt')).toString()).toBe('whale')
  setup.localFile('./data/../data/corpus.txt')
  expect(setup.dataDigests).toEqual({ './data/corpus.txt': sha256('whale') })
})

test("a package's file is read from the nearest node_modules that has the package", () => {
  folder.install('words', '1.0.0')
  folder.write('node_modules/words/list.txt', 'package')
  expect(Buffer.from(setup.packageFile('words', 'list.txt')).toString()).toBe('package')
  expect(setup.dataDigests).toEqual({ 'words/list.txt': sha256('package') })
})

test("a local file and a package's file of the same name are two files", () => {
  folder.install('words', '1.0.0')
  folder.write('node_modules/words/list.txt', 'package')
  folder.write('words/list.txt', 'local')
  setup.packageFile('words', 'list.txt')
  setup.localFile('words/list.txt')
  expect(Object.values(setup.dataDigests).sort()).toEqual([sha256('local'), sha256('package')].sort())
})

test('what is missing is told as data-missing', () => {
  folder.install('words', '1.0.0')
  for (const [read, message] of [
    [() => setup.localFile('gone.txt'), "./gone.txt, which the program reads, can't be read: ENOENT"],
    [() => setup.packageFile('words', 'gone.txt'), "words/gone.txt, which the program reads, can't be read"],
    [
      () => setup.packageFile('poems', 'a.txt'),
      'the package poems, which the program reads, is not installed',
    ],
  ] as const) {
    expect(refusal(read)).toMatchObject({ kind: 'data-missing' })
    expect(refusal(read).message).toContain(message)
  }
})

test.each(['../secret.txt', 'a/../../secret.txt', '/etc/hostname', '.', '..'])(
  'the path %s leads out of the folder and is refused',
  (path) => {
    folder.install('words', '1.0.0')
    for (const read of [() => setup.localFile(path), () => setup.packageFile('words', path)]) {
      expect(refusal(read)).toMatchObject({ kind: 'program-invalid' })
      expect(refusal(read).message).toContain('lies outside')
    }
  },
)

test('a file whose name begins with two dots is inside', () => {
  folder.write('..hidden', 'x')
  expect(setup.localFile('..hidden')).toHaveLength(1)
})

test('a program reads so many files and no more; one that it has may be read again', () => {
  for (let file = 0; file < LIMITS.maxDataFiles; file++) {
    folder.write(`${file}.txt`, '')
    setup.localFile(`${file}.txt`)
  }
  folder.write('last.txt', '')
  expect(refusal(() => setup.localFile('last.txt')).message).toContain(
    `at most ${LIMITS.maxDataFiles} data files`,
  )
  expect(setup.localFile('0.txt')).toHaveLength(0)
})

test('after setup nothing is declared or read: it would be in no identity', () => {
  folder.write('late.txt', 'x')
  setup.close()
  for (const late of [() => setup.delta('d', 'int32', 1), () => setup.localFile('late.txt')])
    expect(refusal(late).message).toContain('after setup')
  expect(setup.dataDigests).toEqual({})
})

test('a path is given to a file or a folder, all of whose bytes are recorded', () => {
  folder.write('images/b.bin', 'b')
  folder.write('images/deep/a.bin', 'a')
  folder.write('x.csv', 'abc')
  expect(setup.dataPath('./images/')).toBe(join(folder.path, 'images'))
  expect(setup.dataPath('x.csv')).toBe(join(folder.path, 'x.csv'))
  expect(setup.dataDigests['./x.csv']).toBe(sha256('abc'))
  const names = `${sha256('b')} b.bin\n${sha256('a')} deep/a.bin\n`
  expect(setup.dataDigests['./images']).toBe(sha256(names))
  folder.write('images/deep/a.bin', 'A')
  setup.dataPath('images')
  expect(setup.dataDigests['./images']).not.toBe(sha256(names))
  expect([...setup.files.keys()]).toEqual(['images/b.bin', 'images/deep/a.bin', 'x.csv'])
  expect(refusal(() => setup.dataPath('gone'))).toMatchObject({ kind: 'data-missing' })
  expect(refusal(() => setup.dataPath('..')).message).toContain('lies outside')
  setup.close()
  expect(refusal(() => setup.dataPath('x.csv')).message).toContain('after setup')
})
