/**
 * Goal: whoever empties a host sees how far it is, and the exit code says whether it is empty. Method: a scripted coordinator whose
 * maintenance goes on a little each time it is asked about.
 */
import type { MaintenanceJob, MaintenanceView } from '@godwit/protocol'
import { GodwitError } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()
const { godwit } = cli

const job = (workload: string, state: MaintenanceJob['state'], more: Partial<MaintenanceJob> = {}) => ({
  workload,
  state,
  ...more,
})

function view(phase: MaintenanceView['phase'], jobs: MaintenanceJob[]): MaintenanceView {
  const count = (state: string): number => jobs.filter((each) => each.state === state).length
  return {
    ...{ host: 'a', phase, force: false, jobs },
    ...{ waiting: count('waiting'), moving: count('moving'), stuck: count('stuck'), moved: count('moved') },
  }
}

/** Each time it is asked it is one further. */
function goingOn(...views: MaintenanceView[]): void {
  const left = [...views]
  cli.coordinator.script = ({ op }) => {
    const maintenance = left.length > 1 ? left.shift() : left[0]
    return op === 'enterMaintenance' ? { maintenance, already: false } : { maintenance }
  }
}

test('enter shows each job leave, and ends with 0 when the host is empty', async () => {
  goingOn(
    view('evacuating', [job('j1', 'moving', { to: 'b' }), job('j2', 'waiting')]),
    view('evacuating', [job('j2', 'moving', { to: 'c' }), job('j1', 'moved', { to: 'b' })]),
    view('evacuated', [job('j1', 'moved', { to: 'b' }), job('j2', 'moved', { to: 'c' })]),
  )
  const { exitCode, stdout, stderr } = await godwit('maintenance enter a')
  expect(exitCode).toBe(0)
  expect(cli.requests[0]).toEqual({ op: 'enterMaintenance', host: 'a', force: false })
  expect(stderr.slice(0, 2)).toEqual([
    'a: its jobs leave, 0 of 2 moved, 1 moving (j1 -> b), 1 waiting',
    'a: its jobs leave, 1 of 2 moved, 1 moving (j2 -> c)',
  ])
  expect(stdout).toEqual(['a is empty: 2 jobs left, and none comes until its maintenance ends'])
})

test('enter ends with 1 and says why where a job stays, or nothing was begun', async () => {
  goingOn(
    view('evacuating', [job('j1', 'moving', { to: 'b' }), job('j2', 'stuck', { reason: 'b: full' })]),
    view('evacuating', [job('j2', 'stuck', { reason: 'b: full' }), job('j1', 'moved')]),
  )
  const forced = await godwit('maintenance enter a --force')
  expect(cli.requests[0]).toMatchObject({ force: true })
  expect(forced.exitCode).toBe(1)
  expect(forced.stderr.at(-1)).toBe('j2 stays: b: full')
  cli.coordinator.script = () => {
    throw new GodwitError('cannot-evacuate', "1 of 2 jobs can't leave a")
  }
  const refused = await godwit('maintenance enter a')
  expect(refused.exitCode).toBe(1)
  expect(refused.stderr.join('\n')).toContain("1 of 2 jobs can't leave a")
})

test('--no-wait returns at once, entering twice says so, --json is one object', async () => {
  const going = view('evacuating', [job('j1', 'waiting')])
  cli.coordinator.script = () => ({ maintenance: going, already: true })
  const { exitCode, stdout, stderr } = await godwit('maintenance enter a --no-wait')
  expect([exitCode, cli.requests.length]).toEqual([0, 1])
  expect(stderr).toEqual(['a is in maintenance already'])
  expect(stdout).toEqual(['a: its jobs leave, 0 of 1 moved, 1 waiting'])
  const json = await godwit('maintenance enter a --no-wait --json')
  expect(json.stdout.map((line) => JSON.parse(line))).toEqual([{ maintenance: going }])
})

test('exit --return waits until all are back, and names what goes on meanwhile', async () => {
  goingOn(
    view('returning', [job('j1', 'waiting'), job('j2', 'moving', { to: 'c' })]),
    view('over', [job('j1', 'moved', { to: 'a' })]),
  )
  const { exitCode, stdout, stderr } = await godwit('maintenance exit a --return')
  expect(cli.requests[0]).toEqual({ op: 'exitMaintenance', host: 'a', return: true })
  expect(stderr[0]).toBe('j2 is on its way to c, and goes on there')
  expect([exitCode, stdout]).toEqual([0, ['a takes jobs again: 1 job back']])
})

test('status says how far it is, job by job', async () => {
  cli.coordinator.script = () => ({
    maintenance: view('evacuating', [job('j1', 'stuck', { reason: 'b: full' })]),
  })
  const { stdout } = await godwit('maintenance status a')
  expect(stdout.at(-1)).toMatch(/^j1 +stuck +- +- +b: full$/)
  cli.coordinator.script = () => ({})
  expect((await godwit('maintenance status a')).stdout).toEqual(['a is in no maintenance'])
})
