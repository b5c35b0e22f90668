/**
 * Goal: what can't work is refused before training is disturbed, with a reason that a person can act on and exit code
 * 1; and the job takes its next steps as if nobody had asked.
 * Method: one job on host a. Before each attempt its target is made to differ in one thing, mostly by what lies in its
 * folder of programs, which an agent reads at each launch. That the target would do without the difference is proved
 * at the end, by moving there.
 */
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ErrorKind } from '@godwit/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cluster, type Finished, type Follower, PROGRAMS } from './support/cluster.ts'

const FOREVER = ['--steps', '1000000']

let cluster: Cluster
/** Of host b: the one that changes. */
let programs: string
let job: Follower

beforeAll(async () => {
  cluster = await Cluster.start([])
  const here = cluster.programFolder('a')
  programs = cluster.programFolder('b')
  install(here)
  install(programs)
  await Promise.all([
    cluster.addHost({ name: 'a', programs: here }),
    cluster.addHost({ name: 'b', programs }),
    cluster.addHost({ name: 'small', programs: here, memory: '32KiB' }),
  ])
  job = await cluster.run('bound', 'a', 'job', ...FOREVER)
})
afterAll(() => cluster?.end())

/** The program and all that it reads. */
function install(folder: string): void {
  copyFileSync(join(PROGRAMS, 'bound.ts'), join(folder, 'bound.ts'))
  writeFileSync(join(folder, 'bound.bin'), 'every step reads one of these bytes')
  writeFileSync(join(folder, 'bound.json'), '{"pages": 16, "seed": 1}')
}

function expectError({ code, said, err }: Finished, kind: ErrorKind, words: RegExp): void {
  const error = said.error ?? said.migration?.error
  expect(error?.kind, JSON.stringify(said)).toBe(kind)
  expect(error?.message).toMatch(words)
  expect(code).toBe(1)
  expect(err, 'a sentence, not a stack').not.toMatch(/^\s+at /m)
}

/** Nothing happened to the job: its steps go on, each once and all under the first epoch. */
async function expectUndisturbed(): Promise<void> {
  await job.goesOn()
  expect(job.outputs.every(({ step, epoch }, index) => step === index && epoch === 1)).toBe(true)
}

/** A migration that never left its setup: the source was not even asked, so it was not parked. */
async function expectNotBegun({ said }: Finished): Promise<void> {
  const { migration } = said
  expect(migration).toMatchObject({ status: 'failed', error: { phase: 'setup' } })
  expect(migration?.report).toBeUndefined()
  await job.migrationIs('failed')
  const statuses = job.migrations.filter(({ id }) => id === migration?.id).map(({ status }) => status)
  // Of changes that follow at once a follower may be told the last alone.
  for (const status of statuses) expect(['setup', 'failed']).toContain(status)
}

/** The same as somebody else sees it. */
async function expectShownAsBefore(): Promise<void> {
  const view = await cluster.workload('job')
  expect(view).toMatchObject({ status: 'running', host: 'a', epoch: 1 })
  expect(view.migration, 'no migration is under way').toBeUndefined()
}

describe('a target that could not go on is found out in setup', () => {
  const differences: { what: string; kind: ErrorKind; words: RegExp; make(): void }[] = [
    {
      what: 'lacks the program',
      kind: 'program-missing',
      words: /this host has no program bound: looked in .*programs\/b/,
      make: () => rmSync(join(programs, 'bound.ts')),
    },
    {
      what: 'has other code under the same name',
      kind: 'program-differs',
      words: /another version of program bound/,
      make: () => {
        copyFileSync(join(PROGRAMS, 'mixer.ts'), join(programs, 'bound.ts'))
      },
    },
    {
      what: 'lacks a data file',
      kind: 'data-missing',
      words: /\.\/bound\.bin, which the program reads, can't be read: ENOENT/,
      make: () => rmSync(join(programs, 'bound.bin')),
    },
    {
      what: 'has other bytes in a data file',
      kind: 'data-differs',
      words: /other bytes in \.\/bound\.bin/,
      make: () => writeFileSync(join(programs, 'bound.bin'), 'Every step reads one of these bytes'),
    },
    {
      what: 'lays out its tensors differently',
      kind: 'layout-differs',
      words: /laid out its tensors differently/,
      make: () => writeFileSync(join(programs, 'bound.json'), '{"pages": 17, "seed": 1}'),
    },
    {
      what: 'computes other bits',
      kind: 'bits-differ',
      words: /would not continue this job bit for bit/,
      make: () => writeFileSync(join(programs, 'bound.json'), '{"pages": 16, "seed": 2}'),
    },
  ]

  for (const { what, kind, words, make } of differences) {
    test(`one that ${what}`, async () => {
      make()
      try {
        const refused = await cluster.godwit('migrate', 'job', '--to', 'b')
        expectError(refused, kind, words)
        await expectNotBegun(refused)
        await expectUndisturbed()
      } finally {
        install(programs)
      }
    })
  }

  test('one with too little memory', async () => {
    const refused = await cluster.godwit('migrate', 'job', '--to', 'small')
    expectError(refused, 'out-of-memory', /needs (65536|131072) bytes .* the host has 32768 to give/)
    await expectNotBegun(refused)
    await expectUndisturbed()
    const started = await cluster.godwit('run', 'bound', '--host', 'small', '--steps', '5')
    expectError(started, 'out-of-memory', /the host has 32768 to give/)
  })
})

describe('what makes no sense is refused at once', () => {
  const requests: { what: string; args: string[]; kind: ErrorKind; words: RegExp }[] = [
    {
      what: 'an unknown host',
      args: ['migrate', 'job', '--to', 'nowhere'],
      kind: 'unknown-host',
      words: /there is no host nowhere: there are .*a/,
    },
    {
      what: 'an unknown workload',
      args: ['migrate', 'nothing', '--to', 'b'],
      kind: 'unknown-workload',
      words: /there is no workload nothing: `godwit ps` shows/,
    },
    {
      what: 'the host where it runs',
      args: ['migrate', 'job', '--to', 'a'],
      kind: 'already-there',
      words: /job runs on a already/,
    },
    {
      what: 'to cancel without a migration',
      args: ['cancel', 'job'],
      kind: 'unknown-migration',
      words: /job has no migration under way/,
    },
    {
      what: 'an id that is taken',
      args: ['run', 'bound', '--id', 'job'],
      kind: 'bad-arguments',
      words: /there is a workload job already/,
    },
  ]

  test('each with its reason', async () => {
    const answers = await Promise.all(requests.map(({ args }) => cluster.godwit(...args)))
    for (const [index, { what, kind, words }] of requests.entries()) {
      const refused = answers[index] as Finished
      expect(refused.said.migration, what).toBeUndefined()
      expectError(refused, kind, words)
    }
    await expectUndisturbed()
  })

  test('a second migration while one is under way, which goes on; then it is cancelled', async () => {
    const first = cluster.start('migrate', 'job', '--to', 'b', '--downtime-limit-ms', '0.001')
    await job.migrationIs('active')
    expectError(
      await cluster.godwit('migrate', 'job', '--to', 'small'),
      'already-migrating',
      /on its way to b/,
    )
    expect((await cluster.workload('job')).migration).toBe(job.migrations.at(-1)?.id)
    expect((await cluster.godwit('cancel', 'job')).code).toBe(0)
    expect(await first.exited).toBe(1)
    await expectUndisturbed()
    await expectShownAsBefore()
  })

  test('a host whose agent has gone', async () => {
    expect(await cluster.stopAgent('small')).toBe(0)
    const { said } = await cluster.godwit('hosts')
    expect(said.hosts?.find(({ name }) => name === 'small')?.state).toBe('disconnected')
    const refused = await cluster.godwit('migrate', 'job', '--to', 'small')
    expect(refused.said.migration).toBeUndefined()
    expectError(refused, 'host-disconnected', /agent of small is not connected/)
    await expectUndisturbed()
  })
})

test('a target that does not differ takes the job', async () => {
  const { code, err, said } = await cluster.godwit('migrate', 'job', '--to', 'b')
  expect(code, err).toBe(0)
  expect(said.migration?.report?.epoch).toBe(2)
  await job.goesOn()
  expect(job.outputs.at(-1)?.epoch).toBe(2)
})
