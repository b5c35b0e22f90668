/**
 * Goal: what a manifest says can be done, whoever wrote it: files stay below their folder, and chunks make them up. Method: right ones that come back
 * as they were, whatever they hold; and each way of being wrong.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type BundleFile,
  bundleBytes,
  chunkRange,
  chunksOf,
  encodeManifest,
  parseManifest,
} from './bundle.ts'
import { LIMITS, setupMs } from './limits.ts'

const CHUNK = LIMITS.bundleChunkBytes
const digest = (of: number): string => of.toString(16).padStart(64, '0')

/** A file whose chunks have names of their own, from `first` on. */
function file(path: string, bytes = 3, first = 1): BundleFile {
  return {
    path,
    bytes,
    chunks: Array.from({ length: Math.ceil(bytes / CHUNK) }, (_, at) => digest(first + at)),
  }
}

const refused = (manifest: unknown): string => {
  try {
    parseManifest(Buffer.from(typeof manifest === 'string' ? manifest : JSON.stringify(manifest)))
    return 'taken'
  } catch (error) {
    return (error as Error).message
  }
}
const withFiles = (...files: unknown[]): string => refused({ format: 1, program: 'p.mjs', files })

test('a manifest comes back as it was, and in whatever order its files were given it is the same', () => {
  const files = fc.uniqueArray(
    fc.record({ path: fc.stringMatching(/^[a-z]{1,8}\.bin$/), bytes: fc.nat(3 * CHUNK) }),
    { selector: ({ path }) => path, maxLength: 20 },
  )
  fc.assert(
    fc.property(files, (given) => {
      const all = [
        file('p.mjs', 9, 1000),
        ...given.map(({ path, bytes }, at) => file(path, bytes, 2000 + 10 * at)),
      ]
      const bytes = encodeManifest({ program: 'p.mjs', files: all })
      expect(encodeManifest({ program: 'p.mjs', files: [...all].reverse() })).toEqual(bytes)
      const parsed = parseManifest(bytes)
      expect(new Set(parsed.files.map(({ path }) => path))).toEqual(new Set(all.map(({ path }) => path)))
      expect(bundleBytes(parsed)).toBe(all.reduce((sum, each) => sum + each.bytes, 0))
      expect([...chunksOf(parsed).values()].reduce((sum, length) => sum + length, 0)).toBe(
        bundleBytes(parsed),
      )
    }),
    { numRuns: 50 },
  )
})

test.each([
  '../../etc/passwd',
  '/etc/passwd',
  'data/../../x',
  './x',
  'x/./y',
  'x//y',
  'x/',
  '',
  '..',
  'a\\b',
  'a\0b',
  'a\nb',
  `${'x'.repeat(256)}`,
  `x/${'y/'.repeat(600)}z`,
])('a path that leads elsewhere, or nowhere: %j', (path) => {
  expect(withFiles(file('p.mjs'), file(path, 3, 5))).toMatch(/not a manifest: files\.1\.path/)
})

test.each<[string, () => string, RegExp]>([
  ['no JSON', () => refused('{'), /is no JSON/],
  ['another format', () => refused({ format: 2, program: 'p.mjs', files: [file('p.mjs')] }), /format/],
  [
    'more than it should say',
    () => refused({ format: 1, program: 'p.mjs', files: [file('p.mjs')], run: 'rm' }),
    /run/,
  ],
  ['no files', () => withFiles(), /files/],
  ['a program that is not there', () => withFiles(file('q.mjs')), /its program p\.mjs is none of its files/],
  ['a file twice', () => withFiles(file('p.mjs'), file('p.mjs')), /p\.mjs is in it twice/],
  [
    'a file that is a folder',
    () => withFiles(file('p.mjs'), file('a/b', 3, 5), file('a', 3, 6)),
    /a is a file, and a\/b lies below/,
  ],
  ['too few chunks', () => withFiles({ ...file('p.mjs'), chunks: [] }), /has 3 bytes and 0 chunks, not 1/],
  [
    'too many chunks',
    () => withFiles({ ...file('p.mjs'), chunks: [digest(1), digest(2)] }),
    /2 chunks, not 1/,
  ],
  ['a chunk that is no digest', () => withFiles({ ...file('p.mjs'), chunks: ['../x'] }), /a SHA-256 in hex/],
  ['a chunk with two lengths', () => withFiles(file('p.mjs'), file('q', 4, 1)), /has two lengths/],
  ['negative bytes', () => withFiles({ ...file('p.mjs'), bytes: -1 }), /bytes/],
  [
    'more bytes than a bundle has',
    () => withFiles(file('p.mjs'), { ...file('q'), bytes: LIMITS.maxBundleBytes + 1 }),
    /bytes/,
  ],
  [
    'more in all',
    () =>
      withFiles(
        file('p.mjs'),
        ...[1, 2].map((at) => file(`q${at}`, LIMITS.maxBundleBytes / 2 + 1, at * 1e6)),
      ),
    /a bundle of \d+ bytes, the limit is/,
  ],
])('%s is refused', (_, said, words) => {
  expect(said()).toMatch(words)
})

test('what is longer than a manifest may be is not even read', () => {
  expect(() => parseManifest(Buffer.alloc(LIMITS.maxBundleManifestBytes + 1))).toThrow(
    expect.objectContaining({ kind: 'too-large' }),
  )
})

test('the last chunk of a file is what is left', () => {
  expect(chunkRange({ bytes: CHUNK + 1 }, 0)).toEqual({ from: 0, length: CHUNK })
  expect(chunkRange({ bytes: CHUNK + 1 }, 1)).toEqual({ from: CHUNK, length: 1 })
})

test('a host has longer to set up what may have to be brought first', () => {
  expect(setupMs(undefined)).toBe(LIMITS.setupTimeoutMs)
  expect(setupMs({ bytes: 10 * LIMITS.bundleBandwidth })).toBe(LIMITS.setupTimeoutMs + 10_000)
})
