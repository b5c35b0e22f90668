/**
 * Goal: the digest stands for what a program does. What can't change a bit must not change it, or hosts that agree would
 * refuse each other; what can must. Method: pairs of small programs in folders of their own.
 */
import { afterEach, expect, test } from 'vitest'
import { digestProgram } from './program-digest.ts'
import { ProgramFolder } from './support/program-folder.ts'

const folders: ProgramFolder[] = []

function folder(): ProgramFolder {
  const made = new ProgramFolder()
  folders.push(made)
  return made
}

afterEach(() => {
  for (const made of folders.splice(0)) made.remove()
})

/** The digest of `files`, the first of which is the program, in a folder of their own. */
async function digestOf(
  files: Readonly<Record<string, string>>,
  packages: Readonly<Record<string, string>> = {},
): Promise<string> {
  const here = folder()
  const paths = Object.entries(files).map(([path, content]) => here.write(path, content))
  for (const [name, version] of Object.entries(packages)) here.install(name, version)
  return (await digestProgram(paths[0] as string)).digest
}

const PROGRAM = "import { rate } from './helper.ts'\nexport default { name: 'p', rate }\n"

test('comments, blanks and the place of the project do not matter', async () => {
  const one = await digestOf({ 'p.ts': PROGRAM, 'helper.ts': 'export const rate = 0.5' })
  const other = await digestOf({
    'deep/er/p.ts': `/* a licence */\n${PROGRAM.replaceAll(' ', '  ')}// the end`,
    'deep/er/helper.ts': '/** How fast. */\n//! legal\nexport   const rate: number = 0.5\n\n',
  })
  expect(one).toMatch(/^[0-9a-f]{64}$/)
  expect(other).toBe(one)
})

test('names of helper files do not matter, nor types, nor code that nothing refers to', async () => {
  const one = await digestOf({ 'p.ts': PROGRAM, 'helper.ts': 'export const rate = 0.5' })
  const other = await digestOf({
    'p.ts': PROGRAM.replace('helper', 'settings'),
    'settings.ts': 'export interface Rate { x: number }\nexport const rate = 0.5\nexport const unused = 1',
  })
  expect(other).toBe(one)
})

test('a helper three imports away matters', async () => {
  const files = (rate: string) => ({
    'p.ts': PROGRAM,
    'helper.ts': "export { rate } from './lib/a.ts'",
    'lib/a.ts': "export * from './b.ts'",
    'lib/b.ts': `export const rate = ${rate}`,
  })
  expect(await digestOf(files('0.5'))).not.toBe(await digestOf(files('0.25')))
  expect(await digestOf(files('0.5'))).toBe(await digestOf(files('0.5')))
})

test('the exact version of an imported package matters, also when imported by a subpath or by a helper', async () => {
  const withImport = (specifier: string) => ({
    'p.ts': PROGRAM,
    'helper.ts': `import maths from '${specifier}'\nexport const rate = maths`,
  })
  for (const [name, specifier] of [
    ['maths', 'maths'],
    ['maths', 'maths/fast.js'],
    ['@acme/maths', '@acme/maths/fast.js'],
  ] as const) {
    const files = withImport(specifier)
    const first = await digestOf(files, { [name]: '1.2.3' })
    expect(await digestOf(files, { [name]: '1.2.3' })).toBe(first)
    expect(await digestOf(files, { [name]: '1.2.4' })).not.toBe(first)
  }
})

test('a package that is only loaded later matters too; one of which only types are used does not', async () => {
  const later = { 'p.ts': "export default { name: 'p', load: () => import('maths') }" }
  expect(await digestOf(later, { maths: '1.0.0' })).not.toBe(await digestOf(later, { maths: '2.0.0' }))
  const types = { 'p.ts': "import type { T } from 'maths'\nexport default { name: 'p' as T }" }
  expect(await digestOf(types)).toMatch(/^[0-9a-f]{64}$/)
})

test('the version is that of the nearest node_modules, as for Node', async () => {
  const here = folder()
  const file = here.write('job/p.ts', "import maths from 'maths'\nexport default { name: 'p', maths }")
  here.install('maths', '1.0.0')
  const far = (await digestProgram(file)).digest
  here.install('maths', '2.0.0', 'job')
  const near = (await digestProgram(file)).digest
  here.install('maths', '3.0.0')
  expect(near).not.toBe(far)
  expect((await digestProgram(file)).digest).toBe(near)
})

test("Node's own modules, with and without node:, and Godwit's packages need not be installed", async () => {
  const imports = "import 'node:fs'\nimport 'fs'\nimport 'path/posix'\nimport '@godwit/worker/contract'\n"
  expect(await digestOf({ 'p.ts': `${imports}export default { name: 'p' }` })).toMatch(/^[0-9a-f]{64}$/)
})

test('the code is the program with its helpers, without comments and packages', async () => {
  const here = folder()
  here.write('helper.ts', 'export const rate = Math.exp(1) // Math.sin')
  here.install('maths', '1.0.0')
  const { code } = await digestProgram(here.write('p.ts', `import 'maths'\n${PROGRAM}`))
  expect(code).toContain('Math.exp(1)')
  expect(code).not.toContain('Math.sin')
})

test.each([
  ['a package that is not installed', "import 'maths'", 'the program imports maths, which is not installed'],
  ['a helper that is not there', "import './gone.ts'", 'Could not resolve "./gone.ts"'],
  ['a file that does not parse', 'export default {', 'p.ts:1:16'],
])('%s is told as program-invalid', async (_, source, message) => {
  const file = folder().write('p.ts', source)
  await expect(digestProgram(file)).rejects.toMatchObject({
    kind: 'program-invalid',
    message: expect.stringContaining(message) as string,
  })
})
