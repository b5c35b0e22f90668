/** Goal: whoever makes no certificate does not pay for what makes them. Method: what that library loads first leaves a trace. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeRequest, readCredentials, renewalDue, writeCredentials } from './index.ts'

const isLoaded = (): boolean => 'getMetadata' in Reflect

test('credentials are read and their time is looked at without it; a request needs it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-trust-'))
  writeCredentials(folder, { certificate: 'C', key: 'K', authority: 'A' })
  expect(readCredentials(folder)).toBeDefined()
  expect(() => renewalDue('C', 0)).toThrow()
  rmSync(folder, { recursive: true })
  expect(isLoaded()).toBe(false)
  await makeRequest()
  expect(isLoaded()).toBe(true)
})
