/**
 * Goal: each mistake that an author can make between a file and a first step is told as the right kind, in the author's
 * words; a good program comes out with all that identifies it. Method: small modules in a folder, and values given to
 * the two checks of a step.
 */
import { Arena } from '@godwit/memory'
import { LIMITS, type Parameters } from '@godwit/protocol'
import { afterAll, expect, test } from 'vitest'
import type { Delta, StepReport } from './contract.ts'
import { checkDelta, checkReport, isSplit, type LoadedProgram, loadProgram } from './loaded-program.ts'
import { ProgramFolder } from './support/program-folder.ts'

const folder = new ProgramFolder()
afterAll(() => folder.remove())

let modules = 0

async function load(source: string, parameters: Parameters = {}): Promise<LoadedProgram> {
  modules += 1
  const file = folder.write(`program-${modules}.mjs`, source)
  return loadProgram(file, parameters, new Arena().memory)
}

const STEPS = 'init: () => ({ step: 0 }), step: () => ({ loss: 1 })'
const program = (setup: string, rest = ''): string =>
  `export default { name: 'p', ${rest} setup(context) { ${setup} } }`

test('a program comes out with its layout, its delta, and all that identifies it', async () => {
  folder.write('corpus.txt', 'whale')
  const loaded = await load(
    program(
      `context.tensor('w', 'float32', [2, 3])
       context.delta('g', 'float32', 6)
       context.localFile('corpus.txt')
       return { init() { return {} }, compute() { return Math.exp(1) }, apply() {} }`,
      'parameters: { seed: 1, name: "x" },',
    ),
    { seed: 2 },
  )
  expect(loaded.name).toBe('p')
  expect(loaded.layout.tensors.map(({ name, shape }) => [name, shape])).toEqual([['w', [2, 3]]])
  expect([...loaded.deltaArrays.keys()]).toEqual(['g'])
  expect(Object.keys(loaded.dataDigests)).toEqual(['./corpus.txt'])
  expect(Object.keys(loaded.mathDigests)).toEqual(['exp'])
  expect(isSplit(loaded.steps)).toBe(true)
})

test('the digest of parameters is that of their values, defaults included, in any order', async () => {
  const withDefaults = (defaults: string): string =>
    program(`return { ${STEPS} }`, `parameters: ${defaults},`)
  const digestOf = async (defaults: string, given: Parameters): Promise<string> =>
    (await load(withDefaults(defaults), given)).parametersDigest
  const one = await digestOf('{ seed: 1, rate: 0.5 }', { rate: 0.25 })
  expect(await digestOf('{ rate: 0.25, seed: 2 }', { seed: 1 })).toBe(one)
  expect(await digestOf('{ seed: 1, rate: 0.5 }', {})).not.toBe(one)
  expect(await digestOf('{ seed: 1, rate: -0 }', {})).not.toBe(await digestOf('{ seed: 1, rate: 0 }', {}))
})

test('setup may be asynchronous, and steps may be methods of a class', async () => {
  const { steps } = await load(`
    class Steps { init() { return {} } compute() {} apply() {} }
    export default { name: 'p', setup: async () => new Steps() }`)
  expect(isSplit(steps)).toBe(true)
})

test('steps with compute but without apply are whole steps, if there is a step', async () => {
  const { steps } = await load(program(`return { compute() {}, ${STEPS} }`))
  expect(isSplit(steps)).toBe(false)
})

const THROWS = (what: string): string => program(`throw ${what}`)
const RETURNS = (what: string): string => program(`return ${what}`)
const WITH = (parameters: string): string => program(`return { ${STEPS} }`, `parameters: ${parameters},`)

test.each<[string, string, Parameters, string, string]>([
  ['a module that does not parse', 'export default {', {}, 'program-invalid', "can't be bundled"],
  ['a module that throws', "throw new Error('no GPU')", {}, 'program-invalid', "can't be imported: no GPU"],
  ['a module that throws a string', "throw 'no GPU'", {}, 'program-invalid', "can't be imported: no GPU"],
  [
    'a package that is not there',
    "import 'tensorflow'",
    {},
    'program-invalid',
    'imports tensorflow, which is not',
  ],
  ['no default export', 'export const name = 1', {}, 'program-invalid', 'it has no default export'],
  [
    'a default export that is a function',
    'export default () => {}',
    {},
    'program-invalid',
    'no default export',
  ],
  ['no name', 'export default { setup() {} }', {}, 'program-invalid', 'its `name` is missing'],
  ['no setup', "export default { name: 'p' }", {}, 'program-invalid', 'its `setup` function is missing'],
  ['parameters that are no object', WITH('3'), {}, 'program-invalid', 'its `parameters` are no object'],
  [
    'a default that is a list',
    WITH('{ sizes: [1] }'),
    {},
    'program-invalid',
    'its parameter sizes is no number',
  ],
  ['an unknown parameter', WITH('{ seed: 1 }'), { sed: 2 }, 'bad-arguments', 'no parameter sed: it has seed'],
  ['a parameter where there are none', RETURNS(`{ ${STEPS} }`), { a: 1 }, 'bad-arguments', 'it has none'],
  [
    'a parameter named as what objects have',
    WITH('{}'),
    { toString: 'x' },
    'bad-arguments',
    'no parameter toString',
  ],
  [
    'a parameter of another type',
    WITH('{ seed: 1 }'),
    { seed: 'x' },
    'bad-arguments',
    'seed of p is a number, and "x" is a string',
  ],
  ['a setup that throws', THROWS("new Error('empty')"), {}, 'program-failed', 'setup of p threw: empty'],
  ['a setup that throws a string', THROWS("'empty'"), {}, 'program-failed', 'setup of p threw: empty'],
  ['a setup that returns nothing', RETURNS(''), {}, 'program-invalid', 'setup returned no `init`'],
  ['steps without init', RETURNS('{ step() {} }'), {}, 'program-invalid', 'setup returned no `init`'],
  [
    'steps without a step',
    RETURNS('{ init() {}, compute() {} }'),
    {},
    'program-invalid',
    'neither `compute` and `apply` nor `step`',
  ],
  [
    'a tensor declared twice',
    program("context.tensor('w', 'int32', [1]); context.tensor('w', 'int32', [1])"),
    {},
    'program-invalid',
    'the name is taken',
  ],
  [
    'a data file that is missing',
    program("context.localFile('gone')"),
    {},
    'data-missing',
    './gone, which the program reads',
  ],
])('%s is told', async (_, source, parameters, kind, message) => {
  await expect(load(source, parameters)).rejects.toMatchObject({
    kind,
    message: expect.stringContaining(message) as string,
  })
})

test('what setup declares later is refused, wherever it is declared', async () => {
  const { steps } = await load(
    program(
      `return { ${STEPS.replace('step: () =>', "step: () => context.tensor('late', 'int32', [1]) &&")} }`,
    ),
  )
  if (isSplit(steps)) throw new Error('whole steps were given')
  expect(() => steps.step({})).toThrow('declared after setup')
})

const DECLARED = new Map([
  ['gradient', { dtype: 'float32', maxLength: 4 }],
  ['rows', { dtype: 'int32', maxLength: 2 }],
] as const)

test('a delta that keeps to its declarations is returned as it is', () => {
  const delta: Delta = { arrays: { gradient: new Float32Array(4) }, values: { loss: 0.5, more: [1] } }
  expect(checkDelta(delta, DECLARED)).toBe(delta)
})

const values = { loss: 1 }
test.each<[string, unknown, string, string]>([
  ['nothing', undefined, 'program-invalid', 'no { arrays, values }'],
  ['no arrays', { values }, 'program-invalid', 'no { arrays, values }'],
  ['arrays that are null', { arrays: null, values }, 'program-invalid', 'no { arrays, values }'],
  ['values that are null', { arrays: {}, values: null }, 'program-invalid', 'no { arrays, values }'],
  ['a promise', Promise.resolve(), 'program-invalid', 'compute is no program: it returned a promise'],
  ['no loss', { arrays: {}, values: {} }, 'program-invalid', 'its loss is a undefined'],
  ['a loss of NaN', { arrays: {}, values: { loss: Number.NaN } }, 'loss-not-finite', 'the loss became NaN'],
  ['an infinite loss', { arrays: {}, values: { loss: -1 / 0 } }, 'loss-not-finite', 'became -Infinity'],
  [
    'an undeclared array',
    { arrays: { bias: new Float32Array(1) }, values },
    'program-invalid',
    'an array bias that setup did not declare',
  ],
  [
    'an array that is too long',
    { arrays: { rows: new Int32Array(3) }, values },
    'program-invalid',
    'rows has 3 elements, declared were 2 at most',
  ],
  [
    'an array of another type',
    { arrays: { gradient: new Float64Array(1) }, values },
    'program-invalid',
    'gradient is no float32 array',
  ],
  ['a plain list', { arrays: { rows: [1] }, values }, 'program-invalid', 'rows is no int32 array'],
])('a delta with %s is told', (_, delta, kind, message) => {
  expect(() => checkDelta(delta as Delta, DECLARED)).toThrow(
    expect.objectContaining({ kind, message: expect.stringContaining(message) as string }),
  )
})

test('a report with metrics is returned as it is', () => {
  const report: StepReport = { loss: -0, metrics: { accuracy: 0.5 } }
  expect(checkReport(report, 'apply')).toBe(report)
})

test.each<[string, unknown, string, string]>([
  ['nothing', undefined, 'program-invalid', 'it returned no { loss }'],
  ['a promise', Promise.resolve(), 'program-invalid', 'a step is synchronous'],
  ['a loss of NaN', { loss: Number.NaN }, 'loss-not-finite', 'the loss became NaN'],
  [
    'a metric of NaN',
    { loss: 1, metrics: { accuracy: 0 / 0 } },
    'program-invalid',
    'its metric accuracy is NaN',
  ],
  [
    'a metric that is no number',
    { loss: 1, metrics: { best: 'yes' } },
    'program-invalid',
    'its metric best is yes',
  ],
  ['metrics that are no object', { loss: 1, metrics: 3 }, 'program-invalid', 'its metrics are no object'],
  ['a metric without a name', { loss: 1, metrics: { '': 1 } }, 'program-invalid', "a metric's name"],
  [
    'too many metrics',
    {
      loss: 1,
      metrics: Object.fromEntries(Array.from({ length: LIMITS.maxMetrics + 1 }, (_, i) => [`m${i}`, i])),
    },
    'program-invalid',
    `${LIMITS.maxMetrics} are allowed`,
  ],
])('a report with %s is told', (_, report, kind, message) => {
  expect(() => checkReport(report as StepReport, 'step')).toThrow(
    expect.objectContaining({ kind, message: expect.stringContaining(message) as string }),
  )
})
