/**
 * Goal: the one command that a newcomer runs shows what it claims, says so in a form that a program can read, and
 * leaves nothing behind, whether it ends by itself or by Ctrl-C.
 * Method: through npm, as the README has it, with the default program; its processes and files are found by the
 * temporary folder that it was given.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrationReport } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { REPOSITORY } from './support/cluster.ts'
import {
  filesLeft,
  killAll,
  makeTemporary,
  processesLeft,
  processesOf,
  Running,
} from './support/processes.ts'

/** Each move takes as many steps as a target needs to start: about 75 on two cores that have nothing else to do. */
const STEPS = 600

let folder: string
let temporary: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gwt-'))
  temporary = join(folder, 'tmp')
})
afterEach(() => {
  killAll(temporary)
  rmSync(folder, { recursive: true, force: true })
})

function demo(...args: string[]): Running {
  return new Running('npm', ['run', '-s', 'demo', '--', ...args], {
    cwd: REPOSITORY,
    // npm keeps compiled code below the temporary folder on newer Nodes: that is npm's, not the demo's.
    env: makeTemporary(temporary),
  })
}

async function expectNothingLeft(): Promise<void> {
  expect(await processesLeft(temporary)).toEqual([])
  expect(filesLeft(temporary)).toEqual([])
}

test('the last line says as JSON that two migrations changed no bit', async () => {
  const running = demo('--json', '--steps', String(STEPS), '--migrations', '2')
  expect(await running.exited, running.err).toBe(0)
  expect(running.lines, 'what a person reads is on stderr').toHaveLength(1)

  const { migrations, lostTimeMs, ...outcome } = JSON.parse(running.lines[0] as string)
  expect(outcome).toEqual({
    program: 'mnist-mlp',
    tracker: expect.stringMatching(/^(userfaultfd|compare)$/),
    steps: STEPS,
    continuity: { steps: STEPS, lossBitsEqual: true, stateDigestEqual: true },
  })
  const reports = migrationReport.array().parse(migrations)
  expect(reports.map(({ from, to, epoch }) => [from, to, epoch])).toEqual([
    ['a', 'b', 2],
    ['b', 'a', 3],
  ])
  expect(lostTimeMs).toBeCloseTo(
    reports.reduce((sum, report) => sum + (report.lostTimeMs as number), 0),
    6,
  )
  await expectNothingLeft()
})

test('Ctrl-C while a migration begins leaves nothing', async () => {
  const running = demo('--steps', String(STEPS), '--migrations', '1')
  await running.until(() => running.lines.some((line) => line.includes('a -> b  setup')), 'it migrated')
  const itself = processesOf(temporary).filter(
    ({ args }) => args.includes('demo') && args[0]?.endsWith('node'),
  )
  expect(itself, 'godwit demo, which a terminal signals with npm').toHaveLength(1)
  process.kill(itself[0]?.pid as number, 'SIGINT')
  expect(await running.exited).toBe(130)
  expect(running.lines.at(-1)).toContain('interrupted: ending everything that was started')
  await expectNothingLeft()
})
