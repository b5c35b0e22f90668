/**
 * Goal: what people copy keeps the contract, learns, and uses no library. Method: the check that people run themselves,
 * on each file of examples/, as its own process; then a thousand steps by hand.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import twoSpirals from '../examples/two-spirals.ts'

const FOLDER = fileURLToPath(new URL('../examples', import.meta.url))
const CHECK = fileURLToPath(import.meta.resolve('@godwit/worker/check'))
const examples = readdirSync(FOLDER).filter((file) => file.endsWith('.ts'))

test('there are examples, and the README names each', () => {
  const readme = readFileSync(join(FOLDER, 'README.md'), 'utf8')
  expect(examples.filter((file) => !readme.includes(`(${file})`))).toEqual([])
  expect(examples).toContain('two-spirals.ts')
})

test.each(examples)('%s passes every check without a warning', (file) => {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', CHECK, join(FOLDER, file), '{}', '--json'],
    { encoding: 'utf8' },
  )
  expect(status, stdout + stderr).toBe(0)
  const { findings } = JSON.parse(stdout) as { findings: { check: string; status: string }[] }
  expect(findings.filter((finding) => finding.status !== 'passed')).toEqual([])
})

test.each(examples)('%s imports nothing but the contract', (file) => {
  const source = readFileSync(join(FOLDER, file), 'utf8')
  const imported = [...source.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map((match) => match[1])
  expect(imported).toEqual(['@godwit/worker/contract'])
})

test('two-spirals puts nine of ten points on the right side after a thousand steps', async () => {
  const steps = await twoSpirals.setup({
    parameters: twoSpirals.parameters ?? {},
    tensor: (_name, _dtype, [length]) => new Float32Array(length as number) as never,
    delta: () => {},
    packageFile: () => new Uint8Array(),
    localFile: () => new Uint8Array(),
    dataPath: (path) => path,
  })
  if (!('compute' in steps)) throw new Error('two-spirals does not split its steps')
  const state = steps.init()
  const reports = Array.from({ length: 1001 }, () => steps.apply(state, steps.compute(state)))
  expect(reports[0]?.metrics?.accuracy).toBeLessThan(0.7)
  expect(reports[1000]?.metrics?.accuracy).toBeGreaterThan(0.9)
})
