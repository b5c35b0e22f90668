/**
 * Goal: what people and peers write as text is understood or refused, in time that grows with its length and no faster.
 * Method: texts that are almost right, and long ones. The time is not measured: a pattern that tries again and again over a text of
 * 100,000 letters would not end within the time of a test. Whoever writes most of these texts is the person at the keyboard, so that there are fewer
 * inputs than for the network; tokens and names of certificates come from it.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { isLoopback } from '@godwit/channel'
import {
  chunkRange,
  coordinatorUri,
  encodeManifest,
  formatToken,
  GodwitError,
  hostUri,
  LIMITS,
  parseBandwidth,
  parseBytes,
  parseManifest,
  parseToken,
  parseUri,
} from '@godwit/protocol'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import { parseFlags, parsePortRange } from '../../packages/agent/src/flags.ts'
import { resolveProgram } from '../../packages/agent/src/programs.ts'
import { epochOf, segmentName } from '../../packages/worker/src/checkpoint-file.ts'
import { fuzz, valueOrRefusal } from './fuzzing.ts'
import { almostText } from './mutations.ts'

const secret = `${'A-_'.repeat(14)}z`
const tokens = (['join', 'api'] as const).map((kind) =>
  formatToken({ kind, id: 'abcd1', secret, authority: secret }),
)

fuzz(
  'parseToken: a token that is written as it was, or a refusal that quotes none of it',
  almostText(tokens),
  (text) => {
    for (const kind of ['join', 'api'] as const) {
      let token: ReturnType<typeof parseToken>
      try {
        token = parseToken(text, kind)
      } catch (error) {
        if (!(error instanceof GodwitError) || error.kind !== 'bad-arguments') throw error
        // Most of a mistyped secret is still a secret.
        for (let at = 0; at + 8 <= text.length; at += 8)
          if (error.message.includes(text.slice(at, at + 8))) throw new Error('a refusal that quotes a token')
        continue
      }
      if (formatToken(token) !== text.trim()) throw new Error('another token than was written')
    }
  },
)

fuzz(
  'parseUri: who a certificate is of, or nobody',
  almostText([
    coordinatorUri('cluster-1'),
    hostUri('c', 'host.a'),
    'godwit://a/host/b/host/c',
    'godwit://a/coordinator/host/b',
  ]),
  (text) => {
    const peer = parseUri(text)
    if (peer === undefined) return
    const written =
      peer.host === undefined ? coordinatorUri(peer.clusterId) : hostUri(peer.clusterId, peer.host)
    if (written !== text) throw new Error(`${text} was taken for ${written}`)
  },
)

fuzz(
  'parseBandwidth',
  almostText(['125000000', '100MiB', '1gbit', '1.5 Gbit/s', '1e999']),
  (text) => {
    const rate = valueOrRefusal(() => parseBandwidth(text), ['bad-arguments'])
    if (rate !== undefined && !(rate >= LIMITS.minBandwidth && rate <= Number.MAX_SAFE_INTEGER))
      throw new Error(`${rate}`)
  },
  { share: 0.2 },
)

fuzz(
  'parseBytes',
  almostText(['1073741824', '1GiB', '1.5 TiB', '99999999999999999999']),
  (text) => {
    const bytes = valueOrRefusal(() => parseBytes('--memory', text), ['bad-arguments'])
    if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes > 0)) throw new Error(`${bytes}`)
  },
  { share: 0.2 },
)

fuzz(
  'parsePortRange',
  almostText(['7100-7199', '0-0', '1-65535', '65535-65535']),
  (text) => {
    const range = valueOrRefusal(() => parsePortRange(text), ['bad-arguments'])
    if (range === undefined) return
    const [first, last] = range
    if (!(first >= 0 && first <= last && last <= 65535)) throw new Error(`${range}`)
  },
  { share: 0.2 },
)

fuzz(
  "the agent's flags: options, help, or a refusal",
  fc.array(
    fc.oneof(
      fc.constantFrom(
        '--name',
        '--port-range',
        '--memory',
        '--log-level',
        '--coordinator',
        '--help',
        '--data-dir=/x',
        '--',
        '-',
      ),
      almostText(['a', '1-2', '1GiB', 'info', 'ws://127.0.0.1:1']),
    ),
    { maxLength: 5 },
  ),
  (args) => {
    valueOrRefusal(() => parseFlags(['--data-dir', '/nowhere', ...args]), ['bad-arguments', 'insecure'])
  },
  { share: 0.05 },
)

fuzz(
  'names of checkpoint files',
  almostText(['pages-1-2.bin', 'pages-9.bin', 'checkpoint-3.new', 'checkpoint.new']),
  (text) => {
    const named = segmentName(text)
    if (named !== undefined && !(named.number >= 1 && named.epoch >= 0)) throw new Error(text)
    if (epochOf(text) !== undefined && text.includes('/'))
      throw new Error('a name that leads to another folder')
  },
  { share: 0.1 },
)

const root = realpathSync(mkdtempSync(join(tmpdir(), 'gwf-')))
afterAll(() => rmSync(root, { recursive: true, force: true }))
const allowed = join(root, 'allowed')
const other = join(root, 'allowed-not')
for (const folder of [allowed, other, join(allowed, 'sub')]) mkdirSync(folder)
for (const file of ['allowed/a.ts', 'allowed/sub/b.mjs', 'allowed-not/c.ts', 'd.ts'])
  writeFileSync(join(root, file), '')
symlinkSync('../../d.ts', join(allowed, 'sub', 'out.ts'))
symlinkSync(root, join(allowed, 'up'))
const builtIns = { trained: join(root, 'd.ts') }

fuzz(
  'resolveProgram: a file in one of the folders once all links are followed, a program of our own, or a refusal',
  almostText([
    'a',
    'sub/b.mjs',
    'sub/out',
    'up/d.ts',
    'up/allowed/a.ts',
    '../allowed-not/c',
    'sub/../../d.ts',
    join(allowed, 'a.ts'),
    join(other, 'c.ts'),
    `${allowed}/../d.ts`,
    `${allowed}-not/c.ts`,
    '/etc/passwd',
    'trained',
    './././a.ts',
  ]),
  (program) => {
    const builtIn = (name: string): string | undefined => builtIns[name as 'trained']
    const file = valueOrRefusal(
      () => resolveProgram(program, [allowed], builtIn),
      ['program-missing', 'bad-arguments', 'forbidden'],
    )
    if (file === undefined || program === 'trained') return
    if (!file.startsWith(allowed + sep) || realpathSync(file) !== file)
      throw new Error(`${program} leads to ${file}`)
  },
  { share: 0.3 },
)

test.each(['1', ' ', '1.', 'a', 'a.', '../', 'gwj1.', '-', 'godwit://a/host/'])(
  'a long text of %j takes no time',
  (part) => {
    const text = part.repeat(100_000 / part.length)
    for (const read of [
      () => parseToken(text, 'join'),
      () => parseUri(text),
      () => parseBandwidth(text),
      () => parseBytes('--memory', text),
      () => parsePortRange(text),
      () => segmentName(text),
      () => isLoopback(text),
      () => resolveProgram(text, [allowed], () => undefined),
    ]) {
      let error: unknown
      try {
        read()
      } catch (thrown) {
        error = thrown
      }
      expect(error === undefined || error instanceof GodwitError).toBe(true)
    }
  },
)

const folders = fc.array(fc.constantFrom('..', '.', '', 'etc', 'a', 'b\\c', '\u0000', 'node_modules'), {
  maxLength: 4,
})
fuzz(
  'manifests of bundles: whose files lie below their folder, or a refusal',
  fc.oneof(
    almostText([
      encodeManifest({
        program: 'p.mjs',
        files: [
          { path: 'p.mjs', bytes: 3, chunks: ['a'.repeat(64)] },
          { path: 'data/x', bytes: LIMITS.bundleChunkBytes + 1, chunks: ['b'.repeat(64), 'c'.repeat(64)] },
        ],
      }).toString(),
    ]),
    folders.map((parts) =>
      JSON.stringify({
        format: 1,
        program: 'p',
        files: ['p', parts.join('/')].map((path) => ({ path, bytes: 0, chunks: [] })),
      }),
    ),
  ),
  (text) => {
    const manifest = valueOrRefusal(() => parseManifest(Buffer.from(text)), ['bad-message', 'too-large'])
    for (const file of manifest?.files ?? []) {
      if (!join('/folder', file.path).startsWith('/folder/') || /[\0\\]/.test(file.path))
        throw new Error(`${JSON.stringify(file.path)} leads elsewhere`)
      const ends = file.chunks.map((_, at) => chunkRange(file, at)).map(({ from, length }) => from + length)
      if ((ends.at(-1) ?? 0) !== file.bytes) throw new Error(`chunks of ${file.path} do not make it up`)
    }
  },
  { share: 0.2 },
)
