/**
 * Goal: whoever types something that can't be is told in one line what is wrong, gets an exit code that says so, and
 * nothing is started or left. And what a program does wrong is told just so: what, and where.
 * Method: command lines through the real executable; one host with a program that fails where it is asked to.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ErrorKind } from '@godwit/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cluster, type Finished, finished, REPOSITORY } from './support/cluster.ts'
import { gone } from './support/processes.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start([{ name: 'a' }])
})
afterAll(() => cluster?.end())

describe('a command line that makes no sense', () => {
  const port = (): string => new URL(cluster.url).port
  const mistakes: { what: string; args(): string[]; code: number; words: RegExp }[] = [
    { what: 'no such command', args: () => ['migrte'], code: 2, words: /unknown command 'migrte'/ },
    { what: 'no such option', args: () => ['ps', '--jsn'], code: 2, words: /unknown option '--jsn'/ },
    {
      what: 'no whole number',
      args: () => ['run', 'mixer', '--steps', '1e3'],
      code: 2,
      words: /'--steps <n>' argument '1e3' is invalid. Write a whole number of at least 1/,
    },
    {
      what: 'no such file',
      args: () => ['run', './no-such-program.ts'],
      code: 1,
      words: /there is no file .*\/no-such-program\.ts/,
    },
    {
      what: 'no such program',
      args: () => ['run', 'no-such-program'],
      code: 1,
      words: /this host has no program no-such-program: looked in/,
    },
    {
      what: 'a file that the host does not run',
      args: () => ['run', join(REPOSITORY, 'examples/two-spirals.ts'), '--no-bundle'],
      code: 1,
      words: /this host does not run .*two-spirals\.ts: allowed are .*support\/programs; .*--programs FOLDER/,
    },
    {
      what: 'a coordinator that others could reach',
      args: () => ['coordinator', '--host', '0.0.0.0', '--port', '0'],
      code: 1,
      words: /0\.0\.0\.0, and its cluster is not secured: .*godwit coordinator init.*--insecure/,
    },
    {
      what: 'a host that others could reach',
      args: () => ['agent', '--name', 'open', '--address', '10.0.0.1', '--data-dir', cluster.dataDir('open')],
      code: 1,
      words: /--address 10\.0\.0\.1 is off this machine.*godwit coordinator init.*--insecure/,
    },
    {
      what: 'an address off this machine, in the clear',
      args: () => ['--coordinator', 'ws://10.0.0.1:7070', 'ps'],
      code: 1,
      words: /ws:\/\/10\.0\.0\.1:7070 is off this machine.*wss:.*--insecure/,
    },
    {
      what: 'no such parameter',
      args: () => ['run', 'mixer', '--param', 'pges=3'],
      code: 1,
      words: /mixer has no parameter pges: it has seed, pages/,
    },
    {
      what: 'a name that an agent has',
      args: () => ['agent', '--name', 'a', '--data-dir', cluster.dataDir('twin')],
      code: 1,
      words: /an agent is connected under the name a/,
    },
    {
      what: 'a port in use',
      args: () => ['coordinator', '--port', port()],
      code: 1,
      words: /port \d+ on 127\.0\.0\.1 is in use: choose another/,
    },
    {
      what: 'nobody at the address',
      args: () => ['--coordinator', 'ws://127.0.0.1:9', 'ps'],
      code: 1,
      words: /no coordinator answers at ws:\/\/127\.0\.0\.1:9 .*start one with "godwit coordinator"/,
    },
    {
      what: 'no address at all',
      args: () => ['--coordinator', 'elsewhere', 'ps'],
      code: 1,
      words: /elsewhere/,
    },
    {
      what: 'an agent without a coordinator',
      args: () => ['--coordinator', 'ws://127.0.0.1:9', 'agent', '--data-dir', cluster.dataDir('lone')],
      code: 1,
      words: /nobody answers at ws:\/\/127\.0\.0\.1:9\/agent: .*Is the coordinator running there/,
    },
  ]

  for (const { what, args, code, words } of mistakes) {
    test(what, async () => {
      const refused = await cluster.godwit(...args())
      expectOneLine(refused, words)
      expect(refused.code).toBe(code)
    })
  }
})

describe('a program that fails', () => {
  const failing = (where: string, at: number): string[] => [
    ...['run', 'mixer', '--host', 'a', '--id', `${where}-${at}`, '--steps', '100000'],
    ...['--param', `failIn=${where}`, '--param', `failAt=${at}`],
  ]

  const early: [string, number, RegExp][] = [
    ['setup', 0, /setup of mixer threw: asked to fail in setup/],
    ['compute', 0, /compute threw at step 0: asked to fail in compute/],
  ]
  for (const [where, at, words] of early) {
    test(`in ${where} does not start, and says why`, async () => {
      const refused = await cluster.godwit(...failing(where, at))
      expectOneLine(refused, words)
      expect(refused).toMatchObject({ code: 1, said: { error: { kind: 'program-failed' } } })
      await expectShownAsFailed(`${where}-${at}`, words)
    })
  }

  const late: [string, number, ErrorKind, RegExp][] = [
    ['compute', 300, 'program-failed', /^compute threw at step 300: asked to fail in compute$/],
    ['apply', 301, 'program-failed', /^apply threw at step 301: asked to fail in apply$/],
    ['loss', 302, 'loss-not-finite', /^at step 302: the loss became NaN: lower the learning rate/],
  ]
  for (const [where, at, kind, words] of late) {
    test(`in its ${where} at a later step has all steps before it, and says where`, async () => {
      const failed = await finished(cluster.start(...failing(where, at), '--follow'))
      expect(failed.code).toBe(1)
      expect(failed.lines, 'the start, each step, the end').toHaveLength(1 + at + 1)
      expect(JSON.parse(failed.lines.at(-2) as string)).toMatchObject({ step: at - 1 })
      const { workload } = failed.said
      expect(workload).toMatchObject({ status: 'failed', acceptedSteps: at, error: { kind } })
      expect(workload?.error?.message).toMatch(words)
      await expectShownAsFailed(`${where}-${at}`, words)
      const [worker] = cluster.folders('a', `${where}-${at}`)
      const log = readFileSync(join(worker?.folder as string, 'output.log'), 'utf8')
      if (kind === 'program-failed') expect(log, 'the line of the program').toMatch(/mixer\.ts:\d+/)
    })
  }

  /** In the list, and its worker is gone. */
  async function expectShownAsFailed(id: string, words: RegExp): Promise<void> {
    const shown = await cluster.workload(id)
    expect(shown.status).toBe('failed')
    expect(shown.error?.message).toMatch(words)
    for (const { pid } of cluster.folders('a', id)) await gone(pid)
  }
})

/** A person reads one line, and perhaps where help is; a program reads the same as JSON. */
function expectOneLine({ err, lines, said }: Finished, words: RegExp): void {
  const told = err.trimEnd().split('\n')
  // The log of a process that gave up may stand before it, advice in parentheses after it.
  const sentences = told.filter((line) => !/^(\{.*\}|\(.*\))$/.test(line))
  expect(sentences, err).toHaveLength(1)
  expect(sentences[0]).toMatch(words)
  if (lines.length > 0) {
    expect(lines).toHaveLength(1)
    expect(said.error?.message).toMatch(words)
  }
}
