/** Goal: credentials are there whole or not at all, and for their owner alone. Method: real files. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCredentials, writeCredentials } from './credentials-file.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-trust-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const credentials = { certificate: 'C', key: 'SECRET', authority: 'A' }

test('read as written, by nobody else', () => {
  expect(readCredentials(folder)).toBeUndefined()
  writeCredentials(folder, { ...credentials, key: 'old' })
  writeCredentials(folder, credentials)
  expect(readCredentials(folder)).toEqual(credentials)
  expect(readdirSync(folder)).toEqual(['credentials.json'])
  expect(statSync(join(folder, 'credentials.json')).mode & 0o777).toBe(0o600)
})

test('what was left of a write that was cut off is neither read nor in the way', () => {
  writeFileSync(join(folder, 'credentials.json.partial'), 'half', { mode: 0o644 })
  expect(readCredentials(folder)).toBeUndefined()
  writeCredentials(folder, credentials)
  expect(statSync(join(folder, 'credentials.json')).mode & 0o777).toBe(0o600)
})

test('a damaged file is named, and nothing of it', () => {
  for (const text of ['', '{"key":"SECRET"', '{"key":"SECRET"}', 'null', '[1]']) {
    writeFileSync(join(folder, 'credentials.json'), text)
    expect(() => readCredentials(folder)).toThrow(expect.objectContaining({ kind: 'bad-arguments' }))
    expect(() => readCredentials(folder)).not.toThrow(/SECRET/)
  }
})
