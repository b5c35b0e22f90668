/**
 * Goal: a new room does not break the image, which is not built here. Method: the Dockerfile installs from the
 * manifests that it copies one by one (Docker has no wildcard that keeps folders), so each room's must be among them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

test('the Dockerfile copies the manifest of every room', () => {
  const lines = readFileSync(join(ROOT, 'deploy', 'Dockerfile'), 'utf8').split('\n')
  const copied = lines.filter((line) => /^COPY packages\/[^/]+\/package\.json /.test(line))
  const rooms = readdirSync(join(ROOT, 'packages'))
  expect(copied.sort()).toEqual(
    rooms.map((room) => `COPY packages/${room}/package.json packages/${room}/`).sort(),
  )
})
