/**
 * Goal: the wire can't change without the protocol version noticing. Method: a hash of every schema and of the
 * bulk frame's constants, pinned to the version. Versions that were released don't change (test/releases.test.ts has them whole); if the last one
 * fails you changed the wire: while it is unreleased pin its new hash, else raise PROTOCOL_VERSION; and write its line in the history (version.ts),
 * PROTOCOL.md and the CHANGELOG.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { describeWire, hashWire } from './support/schemas.ts'
import { commonVersion, PROTOCOL_VERSION, RELEASE } from './version.ts'

const PINNED: Record<number, string> = {
  // Release 0.1.0.
  1: 'ccc3db9aab4231c8',
  2: '5df4f9d7b5edd72f',
}

test('the schemas are those of this protocol version', () => {
  expect(hashWire(describeWire())).toBe(PINNED[PROTOCOL_VERSION])
})

test('two sides speak the highest version that both know', () => {
  expect(commonVersion({ min: 1, max: 3 }, { min: 2, max: 5 })).toBe(3)
  expect(commonVersion({ min: 4, max: 5 }, { min: 1, max: 3 })).toBeUndefined()
})

test('the release is what each package.json says', () => {
  const root = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
  const rooms = readdirSync(join(root, 'packages')).map((room) => join('packages', room))
  for (const folder of ['.', ...rooms]) {
    const text = readFileSync(join(root, folder, 'package.json'), 'utf8')
    const { version, dependencies = {} } = JSON.parse(text) as {
      version: string
      dependencies?: Record<string, string>
    }
    const ours = Object.entries(dependencies).filter(([name]) => name.startsWith('@godwit/'))
    expect([folder, version, ...ours.map(([, each]) => each)]).toEqual([
      folder,
      RELEASE,
      ...ours.map(() => RELEASE),
    ])
  }
})
