/**
 * Goal: what watches shows each thing once, through a lost connection too, and says when it can't; what describes finds what it is asked
 * about. Method: a scripted coordinator and a captured terminal.
 */
import type { Script } from '@godwit/client/testing'
import { type Change, GodwitError, type Happening, type ToClient } from '@godwit/protocol'
import { hostLike, migrationLike, reportLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { CapturedIo } from './support/captured-io.ts'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()

const host = hostLike({ workloads: ['job'] })

function happening(sequence: number, more: Partial<Happening> = {}): Happening {
  const what = { about: 'workload', id: 'job', status: 'running', workload: 'job', host: 'a' } as const
  return { cursor: `life.${sequence}`, atMs: 0, ...what, ...more }
}

function told(sequence: number, changes: Change[], isCurrent = true): Extract<ToClient, { type: 'changes' }> {
  return { type: 'changes', cursor: `life.${sequence}`, changes, isCurrent }
}

function start(line: string, script: Script, io = new CapturedIo()) {
  return { io, done: cli.godwit(line, script, io).then(({ exitCode }) => exitCode) }
}

/** Settles when `isSo`. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
}

test('events are shown once each, from where the list ended, over a lost connection', async () => {
  let watches = 0
  const { io, done } = start('events --follow --limit 5', (request, connection) => {
    if (request.op === 'events') return { events: [happening(7, { status: 'starting' })], isGap: false }
    watches += 1
    if (watches === 1) {
      setImmediate(() => {
        cli.coordinator.changed(told(9, [{ kind: 'event', event: happening(9) }]))
        setImmediate(() => connection.drop())
      })
    }
    if (watches === 2)
      setImmediate(() =>
        cli.coordinator.changed(told(12, [{ kind: 'event', event: happening(12, { status: 'finished' }) }])),
      )
    return { isReset: false }
  })
  await until(() => io.stdout.length === 3)
  io.interrupt()
  expect(await done).toBe(130)
  expect(io.stdout.map((line) => line.split('  ')[2])).toEqual(['starting', 'running', 'finished'])
  const asked = cli.requests.filter(({ op }) => op === 'watch')
  expect(asked).toMatchObject([
    { kinds: ['event'], after: 'life.7' },
    { kinds: ['event'], after: 'life.9' },
  ])
  expect(io.stderr).toEqual([expect.stringContaining('is gone'), expect.stringContaining('is back')])
})

test('whoever has missed some is told so', async () => {
  const { io, done } = start('events --follow', (request) => {
    if (request.op === 'events') return { events: [happening(7)], isGap: false }
    setImmediate(() => cli.coordinator.changed(told(3, [{ kind: 'event', event: happening(3) }])))
    return { isReset: true }
  })
  await until(() => io.stdout.length === 2)
  io.interrupt()
  await done
  expect(io.stderr.join()).toContain('another coordinator')
})

test('top draws what there is, and what is gone no more; without a terminal once', async () => {
  const script: Script = () => {
    setImmediate(() =>
      cli.coordinator.changed(
        told(4, [
          { kind: 'host', host },
          { kind: 'host', host: { ...host, name: 'b', workloads: [] } },
          { kind: 'workload', workload: workloadLike({ stepsPerSecond: 5 }) },
          { kind: 'workload', workload: workloadLike({ id: 'done', status: 'finished' }) },
          { kind: 'migration', migration: migrationLike({ status: 'active' }) },
        ]),
      ),
    )
    return { isReset: false }
  }
  const once = start('top', script)
  expect(await once.done).toBe(0)
  const shown = once.io.stdout.join('\n')
  expect(shown).toContain('2 hosts, 1 jobs under way, 1 moves, 5.0 steps/s')
  expect(shown).toMatch(/\njob a -> b +active/)
  expect(shown).not.toContain('done')
  const live = start('top', script, new CapturedIo(100))
  await until(() => live.io.screens.length > 0)
  cli.coordinator.changed(told(5, [{ kind: 'gone', what: 'host', id: 'b' }]))
  await until(() => live.io.screens.at(-1)?.[0]?.startsWith('1 hosts') === true)
  live.io.interrupt()
  expect(await live.done).toBe(130)
  expect(JSON.parse((await json('top --json', script)).stdout[0] as string)).toMatchObject({
    hosts: [{ name: 'a' }, { name: 'b' }],
  })
})

/** One that goes on until its first line. */
async function json(line: string, script: Script): Promise<CapturedIo> {
  const { io, done } = start(line, script)
  await until(() => io.stdout.length > 0)
  io.interrupt()
  await done
  return io
}

test('tasks are listed with how far they are', async () => {
  const move = {
    id: 'm1',
    kind: 'migration',
    status: 'active',
    workload: 'job',
    from: 'a',
    to: 'b',
    percent: 50,
    timeLeftMs: 15_000,
    detail: 'round 2',
  }
  const { io, done } = start('tasks', () => ({ tasks: [move] }))
  expect(await done).toBe(0)
  expect(io.stdout[1]).toMatch(/^m1 +move job +active +a -> b +\[#{10}-{10}\] +50% +15\.0 s +round 2$/)
  const none = start('tasks', () => ({ tasks: [] }))
  await none.done
  expect(none.io.stdout).toEqual(['nothing is under way'])
})

const CLUSTER: Script = (request) => {
  switch (request.op) {
    case 'workload':
      if (request.workload === 'job') return { workload: workloadLike() }
      throw new GodwitError('unknown-workload', 'no')
    case 'hosts':
      return { hosts: [host] }
    case 'maintenance':
      return {}
    case 'rules':
      return { rules: {}, broken: ['a may not take job: it is full'] }
    case 'migration':
      if (request.migration === 'm1')
        return { migration: migrationLike({ status: 'completed', report: reportLike() }) }
      throw new GodwitError('unknown-migration', 'no')
    case 'history':
      return { moves: [{ id: 'm1', from: 'a', to: 'b', status: 'completed' }] }
    default:
      return {
        events: [happening(1), happening(2, { id: 'other', workload: 'other', host: 'b' })],
        isGap: false,
      }
  }
}

test.each([
  ['job', [/^job running on a/, /^program/, /^broken now +a may not/, / m1 /, /workload job {2}running/]],
  ['a', [/^HOST/, /^a +connected/, /^job +mnist-mlp/]],
  ['m1', [/^job a -> b +completed/, /^options .*downtimeLimitMs 300/, /^downtime/]],
] as const)('describe %s says what it is', async (name, lines) => {
  const { io, done } = start(`describe ${name}`, CLUSTER)
  expect(await done).toBe(0)
  for (const line of lines)
    expect(
      io.stdout.some((each) => line.test(each)),
      String(line),
    ).toBe(true)
  expect(io.stdout.join()).not.toContain('other')
})

test('describe says where to look for what there is', async () => {
  const { io, done } = start('describe nobody', CLUSTER)
  expect(await done).toBe(1)
  expect(io.stderr.join()).toMatch(/no job, host or move nobody: godwit ps/)
})

test('nothing is coloured, whatever NO_COLOR says', async () => {
  for (const line of ['describe job', 'describe a', 'tasks', '--help']) {
    const { io, done } = start(line, (request, connection) =>
      request.op === 'tasks' ? { tasks: [] } : CLUSTER(request, connection),
    )
    await done
    // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape is what is looked for.
    expect([...io.stdout, ...io.stderr].join('\n')).not.toMatch(/\u001b/)
  }
})
