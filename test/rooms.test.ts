/**
 * Goal: the check of the rooms can fail. Method: a small house in which everything is allowed, and for each rule one
 * change that breaks it and the one sentence that must come of it. The real house is checked by `npm run rooms`.
 */
import { expect, test } from 'vitest'
import { checkRooms, type House, ROOMS, type Room } from '../scripts/check-rooms.mjs'

const rooms: Record<string, Room> = {
  low: { imports: [], packages: ['zod'], node: false },
  high: { imports: ['low/contract'], packages: ['@scope/ws'] },
  testkit: { imports: ['low'], packages: [] },
  page: { imports: ['low/light'], types: ['low'], packages: [] },
}

function soundHouse(): House {
  return {
    files: {
      'packages/low/src/index.ts': "import { z } from 'zod'\nexport * from './inner/deep.ts'\n",
      'packages/low/src/inner/deep.ts': "// import 'pino'\nexport const text = \"import 'pino'\"\n",
      'packages/low/src/index.test.ts':
        "import 'vitest'\nimport '@godwit/testkit'\nimport '@godwit/high/testing'\nimport 'node:fs'\n",
      'packages/high/src/index.ts': `
        import type { A } from '@godwit/low/contract'
        import fs from 'node:fs'
        import { ws } from '@scope/ws/deep'
        const file = new URL('./worker.mjs', import.meta.url)
        const started = import.meta.resolve('@godwit/low/main')
      `,
      'packages/high/bin/high.mjs': "await import('../src/index.ts')\n",
      'packages/testkit/src/index.ts': "import '@godwit/low'\n",
      'packages/page/src/main.tsx': `
        import type { A } from '@godwit/low'
        import { b } from '@godwit/low/light'
        const page = <p>import 'pino'</p>
      `,
    },
    packages: {
      low: { dependencies: ['zod'], references: [] },
      high: { dependencies: ['@godwit/low', '@scope/ws'], references: ['../low'] },
      testkit: { dependencies: ['@godwit/low'], references: ['../low'] },
      page: { dependencies: ['@godwit/low'], references: ['../low'] },
    },
    references: ['packages/low', 'packages/high', 'packages/testkit', 'packages/page', 'test'],
  }
}

const HIGH = 'packages/high/src/index.ts'
const LOW = 'packages/low/src/index.ts'

test('a sound house has no violation', () => {
  expect(checkRooms(soundHouse(), rooms)).toEqual([])
})

test.each([
  [LOW, "import '@godwit/high'", '@godwit/high is not a room that low may import'],
  [LOW, "import type { A } from '@godwit/high'", '@godwit/high is not a room that low may import'],
  [LOW, "export type { A } from '@godwit/high'", '@godwit/high is not a room that low may import'],
  [LOW, "type A = import('@godwit/high').A", '@godwit/high is not a room that low may import'],
  [LOW, "type Pino = typeof import('pino')", 'pino is not a package that low may import'],
  [LOW, "const pino = await import('pino')", 'pino is not a package that low may import'],
  [LOW, "const pino = require('pino')", 'pino is not a package that low may import'],
  [LOW, "const p = createRequire(import.meta.url)('pino')", 'pino is not a package that low may import'],
  [LOW, "import pino = require('pino')", 'pino is not a package that low may import'],
  [LOW, "const file = require.resolve('pino/file')", 'pino/file is not a package that low may import'],
  [LOW, "const file = import.meta.resolve('pino')", 'pino is not a package that low may import'],
  [LOW, "import '@scope/other'", '@scope/other is not a package that low may import'],
  [LOW, "import 'node:fs'", 'node:fs is of Node: low does no IO'],
  [LOW, "import 'fs'", 'fs is of Node: low does no IO'],
  [LOW, "import '@godwit/testkit'", '@godwit/testkit is not a room that low may import'],
  [LOW, "import './index.test.ts'", './index.test.ts is for tests only'],
  [LOW, "import './store.suite.ts'", './store.suite.ts is for tests only'],
  [LOW, "import './support/fake.ts'", './support/fake.ts is for tests only'],
  [LOW, "import '@godwit/low'", '@godwit/low is the room itself: import its file'],
  [LOW, "import '../../high/src/index.ts'", '../../high/src/index.ts leaves packages/low'],
  [LOW, "import '/etc/passwd.js'", '/etc/passwd.js leaves packages/low'],
  [LOW, "const u = new URL('../../x', import.meta.url)", '../../x leaves packages/low'],
  [
    'packages/low/src/index.test.ts',
    "import '../../high/src/index.ts'",
    '../../high/src/index.ts leaves packages/low',
  ],
  [HIGH, "import '@godwit/low/testing'", '@godwit/low/testing is for tests only'],
  [HIGH, "import '@godwit/low'", '@godwit/low is not a room that high may import'],
  [HIGH, "import '@godwit/low/main'", '@godwit/low/main is not a room that high may import'],
  [
    'packages/page/src/main.tsx',
    "import { a } from '@godwit/low'",
    '@godwit/low is a room of which page may import types alone',
  ],
  [
    'packages/testkit/src/index.ts',
    "import '@godwit/high'",
    '@godwit/high is not a room that testkit may import',
  ],
])('in %s, %s', (path, source, sentence) => {
  const house = soundHouse()
  house.files[path] = `\n${source}\n`
  expect(checkRooms(house, rooms)).toEqual([`${path}:2: ${sentence}`])
})

test.each<[string, (house: House) => void, string]>([
  [
    'a dependency too many',
    ({ packages }) => {
      packages.low = { dependencies: ['zod', 'pino'], references: [] }
    },
    'packages/low/package.json: dependencies have pino, which the table does not allow',
  ],
  [
    'a dependency too few',
    ({ packages }) => {
      packages.low = { dependencies: [], references: [] }
    },
    'packages/low/package.json: dependencies lack zod',
  ],
  [
    'a reference too many',
    ({ packages }) => {
      packages.low = { dependencies: ['zod'], references: ['../high'] }
    },
    'packages/low/tsconfig.json: references have ../high, which the table does not allow',
  ],
  [
    'a reference too few',
    ({ packages }) => {
      packages.testkit = { dependencies: ['@godwit/low'], references: [] }
    },
    'packages/testkit/tsconfig.json: references lack ../low',
  ],
  [
    'a room that the root does not build',
    (house) => {
      house.references = house.references.filter((path) => path !== 'packages/high')
    },
    'tsconfig.json: references lack packages/high',
  ],
  [
    'a room that is gone',
    (house) => {
      delete house.packages.high
      house.references = house.references.filter((path) => path !== 'packages/high')
    },
    'the table names high, and there is no packages/high',
  ],
  [
    'a room that nobody allowed',
    (house) => {
      house.packages.new = { dependencies: [], references: [] }
      house.references = [...house.references, 'packages/new']
      house.files['packages/new/src/index.ts'] = "import 'pino'\n"
    },
    'packages/new is not in the table of rooms',
  ],
])('%s', (_, change, sentence) => {
  const house = soundHouse()
  change(house)
  expect(checkRooms(house, rooms)).toEqual([sentence])
})

test('no room may import testkit, and the table has no circle', () => {
  const seen = new Set<string>()
  const follow = (room: string, path: readonly string[]): void => {
    expect(path, 'a circle').not.toContain(room)
    seen.add(room)
    for (const entry of ROOMS[room]?.imports ?? []) follow(entry.split('/')[0] ?? entry, [...path, room])
  }
  for (const room of Object.keys(ROOMS)) follow(room, [])
  expect([...seen].sort()).toEqual(Object.keys(ROOMS).sort())
  expect(Object.values(ROOMS).flatMap(({ imports }) => imports)).not.toContain('testkit')
})
