/**
 * Goal: each rule of the contract that a program breaks is told, by the check whose rule it is and by no other, with
 * words an author can act on. Method: fixtures that break one rule each (fixtures/), in this process; then the command
 * itself as a child, for what it prints and its exit codes.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entryFile, nodeArguments } from '@godwit/launch'
import { expect, test } from 'vitest'
import { CHECKS, type CheckName, type Finding } from './check-findings.ts'
import { checkProgram } from './check-program.ts'

const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', `${name}.ts`)

async function check(file: string, parameters = {}): Promise<readonly Finding[]> {
  return checkProgram(file, parameters, { progress: () => {}, finding: () => {} })
}

/** The finding of each status but `passed`, as `check: status`. */
function remarkable(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ status }) => status !== 'passed')
    .map(({ check, status }) => `${check}: ${status}`)
}

function messageOf(findings: readonly Finding[], check: CheckName): string {
  return findings.find((finding) => finding.check === check)?.message ?? ''
}

const BROKEN: readonly (readonly [string, CheckName, string])[] = [
  ['not-a-program', 'module', 'no default export'],
  ['setup-throws', 'setup', 'setup of setup-throws threw: the corpus is empty'],
  ['data-missing', 'setup', './nowhere.csv, which the program reads'],
  ['layout-drifts', 'layout', 'differently, from scratch on'],
  ['init-draws', 'init', 'init gave other bits when it was called again, in tensor weights'],
  ['init-leaves-moments', 'init', 'init builds on what stood in memory before, in tensor moments'],
  ['state-with-map', 'small-state', 'seen is a Map: only plain data can move'],
  ['state-views-tensor', 'small-state', 'table.first is a view of a tensor'],
  ['state-grows', 'small-state', 'the limit is 524288: keep large things in tensors'],
  ['compute-throws', 'steps', 'compute threw at step 2: Error: batch 2 is out of range'],
  ['delta-undeclared', 'delta', 'an array hessian that setup did not declare'],
  ['delta-views-tensor', 'delta', 'gradient is a view of paged memory'],
  ['loss-explodes', 'loss', 'the loss became NaN'],
  ['compute-writes-page', 'compute-writes', 'compute wrote to weights (1 page) at step 0'],
  ['compute-writes-state', 'compute-writes', 'compute changed small state cursor at step 0'],
  ['compute-counts', 'compute-repeats', 'gave another scale'],
  ['apply-remembers', 'apply-repeats', 'gave other bits in tensor weights'],
  ['whole-step-counts', 'apply-repeats', 'step, done again from the same state at step 0'],
  ['outlives-init', 'run-repeats', 'from init on, step 0 reports another loss'],
  ['notice-writes', 'notice', 'onMigrating wrote to weights (1 page)'],
  ['notice-throws', 'notice', 'onStaying threw: nothing to open again. The job would move all the same'],
  ['notice-promises', 'notice', 'onMigrating returned a promise: it returns nothing, or { afterSteps }'],
  ['notice-steers', 'notice', 'a run that was told of a move went another way: step 2 reports other bits'],
  ['hidden-memory', 'resume', 'step 2 reports other bits'],
]

test.each(BROKEN)('%s is caught by the check %s alone', async (name, expected, message) => {
  const findings = await check(fixture(name))
  expect(findings.filter(({ ok }) => !ok).map((finding) => finding.check)).toEqual([expected])
  expect(messageOf(findings, expected)).toContain(message)
  expect(findings.map((finding) => finding.check)).toHaveLength(CHECKS.length)
})

test('every check is tried by a fixture that breaks its rule, but for the code, which only warns', () => {
  const tried = new Set(BROKEN.map(([, check]) => check))
  expect(CHECKS.filter((check) => !tried.has(check))).toEqual(['code'])
})

test('a program that keeps every rule passes every check, in the order of CHECKS', async () => {
  const findings = await check(fixture('good'))
  expect(remarkable(findings)).toEqual([])
  expect(findings.map((finding) => finding.check)).toEqual([...CHECKS])
})

test('a program that is told of its moves passes', async () => {
  const findings = await check(fixture('notice-heard'))
  expect(remarkable(findings)).toEqual([])
  expect(messageOf(findings, 'notice')).toBe('a run that is told of a move gives the same bits')
  expect(messageOf(await check(fixture('good')), 'notice')).toContain('does not ask to be told')
})

test('whole steps pass; what looks at compute is skipped and says why', async () => {
  const findings = await check(fixture('whole-steps'))
  expect(remarkable(findings)).toEqual([
    'delta: skipped',
    'compute-writes: skipped',
    'compute-repeats: skipped',
  ])
  expect(messageOf(findings, 'compute-writes')).toContain('It can park only after a step')
})

test('what follows from a failure is skipped and names the failure, also at second hand', async () => {
  const findings = await check(fixture('init-leaves-moments'))
  for (const skipped of ['small-state', 'loss', 'resume'] as const)
    expect(messageOf(findings, skipped)).toBe('not looked at: init has to pass first')
  expect(findings.find((finding) => finding.check === 'layout')?.status).toBe('passed')
})

test('doubtful code is a warning with its lines, helper modules included, comments not', async () => {
  const findings = await check(fixture('doubtful-code'))
  expect(remarkable(findings)).toEqual(['code: warning'])
  const message = messageOf(findings, 'code')
  expect(message).toMatch(/Date\.now \(\S*fixtures\/doubtful-code\.ts:8\)/)
  expect(message).toMatch(
    /Math\.exp \(\S*fixtures\/doubtful-helper\.ts:5\), \*\* \(\S*doubtful-helper\.ts:5\): gives other bits/,
  )
  expect(message).toMatch(
    /Math under another name \(\S*doubtful-helper\.ts:2\): is not defined to the last bit/,
  )
  expect(message).not.toContain('sin')
  expect(message).not.toContain('sqrt')
})

test('parameters that the program does not know fail setup by name', async () => {
  const findings = await check(fixture('good'), { rte: 1 })
  expect(messageOf(findings, 'setup')).toBe('good has no parameter rte: it has seed, rate, label, decay')
})

test('a file that does not parse fails as a module, with the place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-check-'))
  try {
    writeFileSync(join(folder, 'torn.ts'), 'export default {\n  name: "torn",\n')
    const findings = await check(join(folder, 'torn.ts'))
    expect(findings.filter(({ ok }) => !ok).map((finding) => finding.check)).toEqual(['module'])
    expect(messageOf(findings, 'module')).toContain('torn.ts:3:0')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** As `godwit run --check` starts it: what was built, where nothing is newer. */
function command(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [...nodeArguments(entryFile('worker/check')), ...args], {
    encoding: 'utf8',
  })
}

test('the command prints a line a check and ends with 0 when nothing fails', () => {
  const { status, stdout } = command(fixture('good'))
  expect(stdout).toContain('✓ compute-writes   compute writes no page')
  expect(stdout).toContain('15 passed: this program can move.')
  expect(status).toBe(0)
})

test('a program in a folder that has no package.json is one too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-check-'))
  try {
    const file = join(folder, 'good.ts')
    writeFileSync(file, readFileSync(fixture('good'), 'utf8').replace('./tiny.ts', fixture('tiny')))
    const { status, stdout } = command(file)
    expect(stdout).toContain('this program can move')
    expect(status).toBe(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test("the command ends with 1 when something fails, tells the author's line and no stack", () => {
  const { status, stdout, stderr } = command(fixture('setup-throws'))
  expect(stdout).toMatch(
    /✗ setup {12}setup of setup-throws threw: the corpus is empty\n\s+at \S*setup-throws\.ts:7\n/,
  )
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+/m)
  expect(status).toBe(1)
})

test('with --json the command prints one object, and parameters are taken', () => {
  const { status, stdout } = command(fixture('good'), '{"rate":0.125,"label":"x","decay":true}', '--json')
  const { program, ok, findings } = JSON.parse(stdout) as {
    program: string
    ok: boolean
    findings: Finding[]
  }
  expect([program, ok, status]).toEqual([fixture('good'), true, 0])
  expect(findings).toHaveLength(CHECKS.length)
})

test.each([
  ['nothing', [], 'usage: check PROGRAM'],
  ['an unknown program', ['no-such-program'], 'there is no program no-such-program'],
  ['parameters that are no JSON', [fixture('good'), 'seed=1'], 'the parameters must be a JSON object'],
  [
    'parameters that are no values',
    [fixture('good'), '{"seed":[1]}'],
    'the parameters must be a JSON object',
  ],
])('the command refuses %s with 2', (_, args, message) => {
  const { status, stderr } = command(...args)
  expect(stderr).toContain(message)
  expect(status).toBe(2)
})
