/**
 * Goal: what `godwit run FILE` brings along is all that the program needs and nothing else, and what can't be brought is said with what to do.
 * Method: programs in folders of their own, with packages and data beside them, bundled as the command does and set up again where nothing else lies.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadProgram } from './loaded-program.ts'
import { bundleProgram, type ToBundle } from './program-bundle.ts'
import { ProgramFolder } from './support/program-folder.ts'

let here: ProgramFolder
let out: string
beforeEach(() => {
  here = new ProgramFolder()
  out = mkdtempSync(join(tmpdir(), 'godwit-test-'))
})
afterEach(() => {
  here.remove()
  rmSync(out, { recursive: true, force: true })
})

/** `setup` is the body of a program's; what it assigns to `seen` can be read of what it is set up to. */
const programOf = (setup: string, imports = ''): string => `${imports}
import { defineProgram } from '@godwit/worker/contract'
type State = { step: number }
export default defineProgram<State>({
  name: 'p',
  parameters: { size: 1 },
  setup(context) {
    let seen = 0
    ${setup}
    return { init: () => ({ step: 0 }), step: (state) => { state.step += 1; return { loss: seen } } }
  },
})
`

function bundled(setup: string, more: Partial<ToBundle> & { imports?: string } = {}) {
  const { imports, ...rest } = more
  const folder = join(out, 'bundle')
  mkdirSync(folder)
  const programFile = here.write('p.ts', programOf(setup, imports))
  return bundleProgram({ programFile, parameters: {}, data: {}, folder, ...rest })
}

/** The bundle on a host, with nothing around it: what its first step gives as its loss. */
async function lossThere({ program, files }: Awaited<ReturnType<typeof bundled>>): Promise<number> {
  const there = join(out, 'there')
  for (const [path, source] of Object.entries(files)) {
    mkdirSync(dirname(join(there, path)), { recursive: true })
    cpSync(source, join(there, path))
  }
  here.remove()
  const { Arena } = await import('@godwit/memory')
  const digest = 'b'.repeat(64)
  const loaded = await loadProgram(join(there, program), {}, new Arena().memory, digest)
  expect(loaded.programDigest).toBe(digest)
  const { steps } = loaded
  return 'step' in steps ? steps.step(steps.init()).loss : Number.NaN
}

const reason = async (bundling: Promise<unknown>): Promise<{ kind: string; message: string }> =>
  bundling.then(
    () => ({ kind: 'none', message: 'it was bundled' }),
    (error) => error,
  )

test('helpers, packages and the contract come along in one file that can be read', async () => {
  here.write('helper.ts', 'export const four: number = 4 // counted by hand')
  here.write('node_modules/adds/package.json', '{"name": "adds", "version": "1.0.0", "main": "adds.js"}')
  here.write(
    'node_modules/adds/adds.js',
    "const path = require('node:path')\nmodule.exports = (a) => a + path.sep.length",
  )
  const made = await bundled('seen = adds(four)', {
    imports: "import adds from 'adds'\nimport { four } from './helper.ts'",
  })
  expect(Object.keys(made.files)).toEqual(['program.mjs'])
  const code = readFileSync(made.files['program.mjs'] as string, 'utf8')
  expect(code).toContain('var four = 4')
  expect(code).not.toMatch(/from ["']@godwit/)
  expect(await lossThere(made)).toBe(5)
})

test('the files that setup reads come along, a package’s where it is looked for', async () => {
  here.write('data/x.csv', 'abc')
  here.write('images/1.bin', 'ab')
  here.write('images/deep/2.bin', 'cdef')
  here.write('unread.bin', 'no')
  here.write('node_modules/numbers/package.json', '{"name": "numbers", "version": "1.0.0"}')
  here.write('node_modules/numbers/all/n.bin', 'abcdefg')
  const made = await bundled(
    `seen = context.localFile('./data/../data/x.csv').length
    seen += 10 * context.packageFile('numbers', 'all/n.bin').length
    const folder = context.dataPath('images')
    seen += 100 * readdirSync(folder, { recursive: true }).length
    seen += 1000 * readFileSync(context.dataPath('data/x.csv')).length`,
    { imports: "import { readdirSync, readFileSync } from 'node:fs'" },
  )
  expect(Object.keys(made.files).sort()).toEqual([
    'data/x.csv',
    'images/1.bin',
    'images/deep/2.bin',
    'node_modules/numbers/all/n.bin',
    'node_modules/numbers/package.json',
    'program.mjs',
  ])
  expect(await lossThere(made)).toBe(3 + 70 + 300 + 3000)
})

test('what is named comes along under its name, read or not, from wherever it lies', async () => {
  const elsewhere = new ProgramFolder()
  elsewhere.write('set/1.bin', 'ab')
  elsewhere.write('set/2.bin', 'cd')
  elsewhere.write('one.bin', 'e')
  const made = await bundled(
    "seen = context.localFile('faces/2.bin').length + context.localFile('one.bin').length",
    {
      data: { faces: join(elsewhere.path, 'set'), 'one.bin': join(elsewhere.path, 'one.bin') },
    },
  )
  expect(Object.keys(made.files).sort()).toEqual(['faces/1.bin', 'faces/2.bin', 'one.bin', 'program.mjs'])
  expect(await lossThere(made)).toBe(3)
  elsewhere.remove()
})

test('setup runs with the parameters of the job', async () => {
  for (const size of [1, 2, 3]) here.write(`x${size}`, 'a')
  const made = await bundled("seen = context.localFile('x' + context.parameters.size).length", {
    parameters: { size: 3 },
  })
  expect(Object.keys(made.files)).toContain('x3')
})

test.each<[string, string, Partial<ToBundle> & { imports?: string }, string, RegExp]>([
  [
    'a package that is not there',
    '',
    { imports: "import 'nowhere'" },
    'program-invalid',
    /Could not resolve "nowhere".*p\.ts:1/,
  ],
  [
    'native code',
    '',
    { imports: "import './addon.node'" },
    'program-invalid',
    /addon\.node.*native code can't be brought along: .*--no-bundle/,
  ],
  [
    'a file that it looks for around itself',
    "readFileSync(new URL('./beside.txt', import.meta.url))",
    { imports: "import { readFileSync } from 'node:fs'" },
    'program-failed',
    /setup of p threw: ENOENT.*as a bundle.*--data/,
  ],
  [
    'data that is not there',
    "context.dataPath('gone')",
    {},
    'data-missing',
    /\.\/gone, which the program reads, can't be read/,
  ],
  ['data outside', "context.dataPath('../x')", {}, 'program-invalid', /lies outside/],
  [
    '--data that is not there',
    '',
    { data: { x: '/nowhere/x' } },
    'data-missing',
    /--data \/nowhere\/x can't be read/,
  ],
  [
    '--data under a name that leads elsewhere',
    '',
    { data: { '../x': '/tmp' } },
    'bad-arguments',
    /NAME=PATH/,
  ],
  [
    '--data in the place of the program',
    '',
    { data: { 'program.mjs': '/tmp' } },
    'bad-arguments',
    /NAME=PATH/,
  ],
  ['a parameter that it has not', '', { parameters: { colour: 1 } }, 'bad-arguments', /no parameter colour/],
])('%s: told, with what to do', async (_, setup, more, kind, words) => {
  here.write('addon.node', '\x7fELF')
  here.write('beside.txt', 'x')
  const said = await reason(bundled(setup, more))
  expect(said.kind).toBe(kind)
  expect(said.message).toMatch(words)
})

test('links in a folder of data are refused: what they lead to may be another thing elsewhere', async () => {
  here.write('images/1.bin', 'ab')
  symlinkSync('/etc/passwd', join(here.path, 'images/2.bin'))
  const said = await reason(bundled("context.dataPath('images')"))
  expect(said).toMatchObject({
    kind: 'program-invalid',
    message: expect.stringContaining('images/2.bin is a link'),
  })
  rmSync(join(out, 'bundle'), { recursive: true })
  const named = await reason(bundled('', { data: { set: join(here.path, 'images') } }))
  expect(named.message).toContain('is a link')
})
