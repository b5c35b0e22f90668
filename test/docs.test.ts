/**
 * Goal: what our pages point at is there: files, headings, scripts, and who may ask what. Method: every page against the checkout. The checks are
 * functions, so that each is seen to fail too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROLE_NEEDED, ROLES } from '@godwit/protocol'
import { expect, test } from 'vitest'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const PAGES = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...['docs', 'docs/adr', 'deploy', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]
const FILES = ['packages', 'test', 'scripts', 'deploy', 'examples', 'docs'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => !/(^|\/)(node_modules|dist)\//.test(path))
    .map((path) => `/${folder}/${path}`),
)

/** As a heading is linked to. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

function deadLinks(path: string, page: string): string[] {
  return [...page.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^https?:/.test(link))
    .filter((link) => {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : normalize(join(dirname(path), file))
      if (!existsSync(join(ROOT, target))) return true
      const text = target === path ? page : target.endsWith('.md') ? read(target) : ''
      return anchor !== undefined && !anchorsOf(text).includes(anchor)
    })
}

/** `a/b.ts` is b.ts of the folder a, or of the room a; `src` may be left out. */
function missingFiles(page: string): string[] {
  return [...page.matchAll(/`([\w./-]+\.(?:tsx?|mjs|sh|yml))`/g)]
    .map(([, name = '']) => name)
    .filter((name) => !existsSync(join(ROOT, name)))
    .filter(
      (name) =>
        !FILES.some((file) => [file, file.replace('/src/', '/')].some((each) => each.endsWith(`/${name}`))),
    )
}

function missingScripts(page: string): string[] {
  return [...page.matchAll(/npm run (?:-s )?([\w:]+)(?: -w @godwit\/(\w+))?/g)]
    .filter(([, script = '', room]) => {
      const { scripts = {} } = JSON.parse(
        read(room === undefined ? 'package.json' : `packages/${room}/package.json`),
      )
      return scripts[script] === undefined
    })
    .map(([command]) => command)
}

test.each(PAGES)('%s points at what is there', (path) => {
  const page = read(path)
  expect({
    links: deadLinks(path, page),
    files: missingFiles(page),
    scripts: missingScripts(page),
  }).toEqual({ links: [], files: [], scripts: [] })
})

test('what is not there is noticed', () => {
  const page =
    '# One *thing*\n[a](README.md) [b](#one-thing) [c](#two) [d](nowhere.md) [e](https://f.example/)'
  expect(deadLinks('README.md', page)).toEqual(['#two', 'nowhere.md'])
  expect(missingFiles('`engine/src/source.ts` `engine/source.ts` `source.ts` `nobody.ts`')).toEqual([
    'nobody.ts',
  ])
  const scripts =
    '`npm run rooms` `npm run -s nothing` `npm run dev -w @godwit/console` `npm run rooms -w @godwit/console`'
  expect(missingScripts(scripts)).toEqual(['npm run -s nothing', 'npm run rooms -w @godwit/console'])
})

test('PROTOCOL.md says who may ask what', () => {
  const rows = [...read('PROTOCOL.md').matchAll(/^\| `(viewer|operator|admin)` \| (?:also )?(.+) \|$/gm)]
  const said = Object.fromEntries(
    rows.map(([, role = '', ops = '']) => [role, ops.replaceAll('`', '').split(', ').sort()]),
  )
  const needed = Object.fromEntries(
    ROLES.map((role) => [
      role,
      Object.entries(ROLE_NEEDED)
        .flatMap(([op, least]) => (least === role ? [op] : []))
        .sort(),
    ]),
  )
  expect(said).toEqual(needed)
})
