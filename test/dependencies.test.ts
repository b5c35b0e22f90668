/**
 * Goal: nothing is shipped that docs/dependencies.md does not account for, or under a licence that nobody looked at.
 * Method: each package.json, and the lock file for all that comes along with them, against the tables of that page.
 * The checks are functions, so that each is seen to fail too.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const ALLOWED = ['MIT', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'MIT OR Apache-2.0']

interface Manifest {
  license?: string
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
}

interface Locked {
  license?: string
  dev?: boolean
  link?: boolean
}

function readJson<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(ROOT, ...path), 'utf8')) as T
}

function licenceOf(name: string): string {
  return readJson<Manifest>('node_modules', name, 'package.json').license ?? 'none'
}

/** The packages of a table whose header has `Package` first and a `Licence` column, with their licences. */
function tableUnder(page: string, heading: string): Map<string, string> {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  const [header, , ...rows] = section.split('\n').filter((line) => line.startsWith('|'))
  const cells = (row: string) => row.split('|').map((cell) => cell.trim())
  const column = cells(header ?? '').indexOf('Licence')
  return new Map(rows.map((row) => [cells(row)[1] ?? '', cells(row)[column] ?? '']))
}

/** Differences between what a table states and the packages there are, as sentences. */
function unaccounted(
  names: readonly string[],
  table: Map<string, string>,
  licence: typeof licenceOf,
): string[] {
  return [
    ...names.filter((name) => !table.has(name)).map((name) => `${name} is not listed`),
    ...[...table.keys()].filter((name) => !names.includes(name)).map((name) => `${name} is not used`),
    ...names
      .filter((name) => table.has(name) && table.get(name) !== licence(name))
      .map((name) => `${name} is listed as ${table.get(name)} and has ${licence(name)}`),
  ]
}

/** What is installed in production and has a licence that is not in the list. */
function notAllowed(locked: Record<string, Locked>): string[] {
  return Object.entries(locked)
    .filter(([path, { dev, link }]) => path.startsWith('node_modules/') && dev !== true && link !== true)
    .filter(([, { license }]) => !ALLOWED.includes(license ?? 'none'))
    .map(([path, { license }]) => `${path.slice('node_modules/'.length)}: ${license ?? 'none'}`)
}

const page = readFileSync(join(ROOT, 'docs', 'dependencies.md'), 'utf8')

test('every production dependency is accounted for', () => {
  const names = readdirSync(join(ROOT, 'packages'))
    .flatMap((room) => Object.keys(readJson<Manifest>('packages', room, 'package.json').dependencies ?? {}))
    .filter((name) => !name.startsWith('@godwit/'))
  expect(unaccounted([...new Set(names)], tableUnder(page, 'In production'), licenceOf)).toEqual([])
})

test('every development dependency is accounted for', () => {
  const { dependencies, devDependencies } = readJson<Manifest>('package.json')
  const ofRooms = readdirSync(join(ROOT, 'packages')).flatMap((room) =>
    Object.keys(readJson<Manifest>('packages', room, 'package.json').devDependencies ?? {}),
  )
  const names = [...Object.keys(devDependencies ?? {}), ...ofRooms].filter((name) => name !== 'tsx')
  expect(dependencies, 'dependencies belong to the rooms').toBeUndefined()
  expect(unaccounted(names, tableUnder(page, 'For development only'), licenceOf)).toEqual([])
})

test('every licence is allowed, at whatever depth', () => {
  const { packages } = readJson<{ packages: Record<string, Locked> }>('package-lock.json')
  expect(Object.keys(packages).length).toBeGreaterThan(10)
  expect(notAllowed(packages)).toEqual([])
})

test('the checks can fail', () => {
  const table = tableUnder(
    '## Shipped\n\n| Package | Why | Licence | Size |\n|---|---|---|---|\n| a | | MIT | |\n| b | | MIT | |\n',
    'Shipped',
  )
  expect(unaccounted(['a', 'c'], table, () => 'ISC')).toEqual([
    'c is not listed',
    'b is not used',
    'a is listed as MIT and has ISC',
  ])
  expect(
    notAllowed({
      '': {},
      'packages/a': {},
      'node_modules/a': { license: 'MIT' },
      'node_modules/b': { license: 'GPL-3.0' },
      'node_modules/c': {},
      'node_modules/d': { license: 'GPL-3.0', dev: true },
      'node_modules/@godwit/a': { link: true },
    }),
  ).toEqual(['b: GPL-3.0', 'c: none'])
})
