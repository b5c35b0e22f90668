/** Goal: every flag arrives, and a wrong one is said with its name and how to write it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseFlags, parsePortRange } from './flags.ts'

test('a token comes from the environment or the command line, and nobody is insecure by accident', () => {
  const env = { GODWIT_JOIN_TOKEN: 'of-env' }
  expect(parseFlags([], env)).toMatchObject({ joinToken: 'of-env', insecure: false })
  expect(parseFlags(['--join', 'typed', '--insecure'], env)).toMatchObject({
    joinToken: 'typed',
    insecure: true,
  })
  expect(parseFlags([])?.joinToken).toBeUndefined()
  expect(parseFlags([], { GODWIT_JOIN_TOKEN: '' })?.joinToken).toBeUndefined()
})

test('a token may come in a file, which has to be there', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gwt-'))
  const file = join(folder, 'join-token')
  writeFileSync(file, 'of-file\n')
  expect(parseFlags([], { GODWIT_JOIN_TOKEN_FILE: file })?.joinToken).toBe('of-file')
  expect(parseFlags([], { GODWIT_JOIN_TOKEN_FILE: file, GODWIT_JOIN_TOKEN: 'of-env' })?.joinToken).toBe(
    'of-env',
  )
  expect(parseFlags([], { GODWIT_JOIN_TOKEN_FILE: '' })?.joinToken).toBeUndefined()
  rmSync(folder, { recursive: true })
  expect(() => parseFlags([], { GODWIT_JOIN_TOKEN_FILE: file })).toThrow(
    /GODWIT_JOIN_TOKEN_FILE.*no such file/,
  )
})

test('flags arrive', () => {
  const flags = parseFlags([
    ...[
      '--coordinator',
      'ws://c:1',
      '--name',
      'h1',
      '--address',
      '10.0.0.1',
      '--fault-domain',
      'east/rack-a',
    ],
    ...['--label', 'disk=fast', '--label', 'owner=ml', '--max-jobs', '3'],
    ...[
      '--data-dir',
      '/d',
      '--programs',
      '/p',
      '--programs',
      '/q',
      '--memory',
      '2GiB',
      '--max-bandwidth',
      '1gbit',
      '--port-range',
      '7100-7199',
    ],
    ...['--worker-main', '/w.ts', '--orphan-timeout-ms', '500', '--log-level', 'warn'],
  ])
  expect(flags).toEqual({
    coordinatorUrl: 'ws://c:1',
    name: 'h1',
    address: '10.0.0.1',
    faultDomain: 'east/rack-a',
    labels: { disk: 'fast', owner: 'ml' },
    maxJobs: 3,
    dataDir: '/d',
    programFolders: ['/p', '/q'],
    memoryBytes: 2 ** 31,
    maxBandwidth: 125_000_000,
    listenHost: '10.0.0.1',
    insecure: false,
    portRange: [7100, 7199],
    workerMain: '/w.ts',
    orphanTimeoutMs: 500,
    logLevel: 'warn',
  })
  expect(parseFlags(['--help'])).toBeUndefined()
})

test('defaults work on one machine', () => {
  const flags = parseFlags(['--data-dir', '/d'])
  expect(flags).toMatchObject({
    coordinatorUrl: 'ws://127.0.0.1:7070',
    address: '127.0.0.1',
    portRange: [0, 0],
  })
  expect(flags?.memoryBytes).toBeGreaterThan(2 ** 20)
  expect(flags?.workerMain).toMatch(/worker\/(src\/main\.ts|dist\/main\.mjs)$/)
})

test('what is wrong is said', () => {
  for (const args of [
    ['--nmae', 'x'],
    ['--name', 'a b'],
    ['--name', '.hidden'],
    ['--fault-domain', 'east/rack/shelf'],
    ['--label', 'disk'],
    ['--label', 'disk=fast=er'],
    ['--label', 'disk=fast', '--label', 'disk=slow'],
    ['--max-jobs', '0'],
    ['--memory', 'much'],
    ['--memory', '0'],
    ['--max-bandwidth', 'fast'],
    ['--max-bandwidth', '10'],
    ['--port-range', '10-5'],
    ['--port-range', '0-5'],
    ['--port-range', '1-70000'],
    ['--orphan-timeout-ms', '-1'],
    ['--log-level', 'loud'],
    ['stray'],
  ]) {
    expect(() => parseFlags(['--data-dir', '/d', ...args]), args.join(' ')).toThrow(
      expect.objectContaining({ kind: 'bad-arguments', message: expect.stringContaining(args[0] as string) }),
    )
  }
})

test('ports', () => {
  expect(parsePortRange('0-0')).toEqual([0, 0])
  expect(parsePortRange('7100-7100')).toEqual([7100, 7100])
})
