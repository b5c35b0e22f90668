/**
 * Goal: each act is one line that stays, that a crash tears at most at the end, and that can't go missing unnoticed. Method: real
 * files, changed as a crash or somebody would; the chain's checker is fed violations.
 */
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuditEntry, LIMITS } from '@godwit/protocol'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AUDIT_FILE, AuditLog, NO_AUDIT, verifyChain } from './audit-log.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'godwit-audit-'))
  path = join(folder, AUDIT_FILE)
})
afterEach(() => rmSync(folder, { recursive: true }))

const entry = (atMs: number, more: Partial<AuditEntry> = {}): AuditEntry => ({
  atMs,
  who: 't1',
  role: 'operator',
  address: '127.0.0.1',
  action: 'migrate',
  outcome: 'ok',
  ...more,
})
const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)

async function written(...entries: AuditEntry[]): Promise<void> {
  const audit = await AuditLog.open(folder)
  await Promise.all(entries.map((each) => audit.append(each)))
  await audit.close()
}

test('what was appended is on disk, in order, after a restart too, and for its owner alone', async () => {
  const audit = await AuditLog.open(folder)
  await audit.append(entry(1))
  expect(lines()).toHaveLength(1)
  await audit.close()
  await written(entry(2), entry(3))
  const again = await AuditLog.open(folder)
  expect(await again.latest({ limit: 10 })).toEqual([entry(1), entry(2), entry(3)])
  await again.close()
  expect(await verifyChain(lines())).toEqual({ lines: 3, torn: [] })
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('a line that was changed, left out, put in or swapped shows', async () => {
  await written(entry(1), entry(2), entry(3), entry(4))
  const [one, two, three, four] = lines() as [string, string, string, string]
  const changed = two.replace('"atMs":2', '"atMs":7')
  const rubbish = 'x'.repeat(two.length)
  const broken: [string[], number][] = [
    [[one, changed, three, four], 3],
    [[one, rubbish, three, four], 3],
    [[one, three, four], 2],
    [[two, three, four], 1],
    [[one, two, two, three], 3],
    [[one, three, two, four], 2],
  ]
  for (const [those, brokenAt] of broken) expect(await verifyChain(those)).toMatchObject({ brokenAt })
  expect(await verifyChain([one, two, three, four])).not.toHaveProperty('brokenAt')
})

test('a line that a crash cut off is left as it is, and the chain goes over it', async () => {
  await written(entry(1), entry(2))
  truncateSync(path, statSync(path).size - 40)
  const torn = readFileSync(path, 'utf8').split('\n').at(-1)
  await written(entry(3))
  expect(lines()[1]).toBe(torn)
  expect(await verifyChain(lines())).toEqual({ lines: 3, torn: [2] })
  const audit = await AuditLog.open(folder)
  expect(await audit.latest({ limit: 10 })).toEqual([entry(1), entry(3)])
  await audit.close()
})

test('a crash between a line and its newline loses nothing', async () => {
  await written(entry(1))
  truncateSync(path, statSync(path).size - 1)
  await written(entry(2))
  expect(await verifyChain(lines())).toEqual({ lines: 2, torn: [] })
})

test('the latest are found from the end, of one job if it is asked for', async () => {
  const many = Array.from({ length: 3000 }, (_, at) =>
    entry(at, { workload: at % 3 === 0 ? 'job' : 'other' }),
  )
  await written(...many)
  const audit = await AuditLog.open(folder)
  expect(await audit.latest({ limit: 1000 })).toEqual(many.slice(-1000))
  expect(await audit.latest({ limit: 2, workload: 'job' })).toEqual([many[2994], many[2997]])
  expect(await audit.latest({ limit: 2, workload: 'none' })).toEqual([])
  await audit.close()
})

test('an answer is no longer than a message, and the file is read as far as the limit says', async () => {
  const long = 'x'.repeat(LIMITS.maxNameLength)
  const many = Array.from({ length: 1000 }, (_, at) =>
    entry(at, { who: long, subject: long, action: long, address: long, outcome: long }),
  )
  await written(...many)
  const audit = await AuditLog.open(folder)
  const found = await audit.latest({ limit: 1000 })
  expect(found.length).toBeGreaterThan(300)
  expect(JSON.stringify(found).length).toBeLessThan(LIMITS.maxControlMessageBytes)
  expect(found.at(-1)).toEqual(many.at(-1))
  await audit.close()

  // Nothing of the front is looked at, whatever it is.
  writeFileSync(path, `${JSON.stringify(entry(1, { workload: 'early' }))}\n`)
  appendFileSync(path, `${'x'.repeat(99)}\n`.repeat(LIMITS.maxAuditReadBytes / 100 + 2000))
  await written(entry(2))
  const after = await AuditLog.open(folder)
  expect(await after.latest({ limit: 10, workload: 'early' })).toEqual([])
  expect(await after.latest({ limit: 10 })).toEqual([entry(2)])
  await after.close()
})

test('what anybody may cause is let through so many times a second, and the rest is counted', async () => {
  const audit = await AuditLog.open(folder)
  for (let time = 0; time < 1000; time++) void audit.note(entry(time, { outcome: 'unauthorized' }))
  await audit.append(entry(2000))
  const found = await audit.latest({ limit: 1000 })
  await audit.close()
  expect(found.length).toBeGreaterThanOrEqual(LIMITS.maxNotedPerSecond)
  expect(found.length).toBeLessThan(500)
})

test('a flood of strangers hides no refusal of a member or a token', async () => {
  const audit = await AuditLog.open(folder)
  for (let time = 0; time < 1000; time++) void audit.noteStranger(entry(time, { who: 'unknown' }))
  await audit.note(entry(2000, { outcome: 'forbidden' }))
  await audit.append(entry(2001))
  const found = await audit.latest({ limit: 1000 })
  await audit.close()
  expect(found).toContainEqual(entry(2000, { outcome: 'forbidden' }))
  expect(found.filter(({ who }) => who === 'unknown').length).toBeLessThan(500)
})

test('whoever was told that a line is written may append the next one at once', async () => {
  const audit = await AuditLog.open(folder)
  await audit.append(entry(1))
  await audit.append(entry(2))
  expect(lines()).toHaveLength(2)
  await audit.close()
})

test('a line that the disk had no room for is taken back, and the next one goes on from the last whole one', async () => {
  const audit = await AuditLog.open(folder)
  await audit.append(entry(1))
  const probe = await open(path)
  const files = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const full = vi
    .spyOn(files, 'datasync')
    .mockRejectedValueOnce(Object.assign(new Error('full'), { code: 'ENOSPC' }))
  await expect(audit.append(entry(2))).rejects.toMatchObject({
    kind: 'disk-full',
    message: expect.stringContaining('make room'),
  })
  expect(lines()).toHaveLength(1)
  await audit.append(entry(3))
  expect(await audit.latest({ limit: 10 })).toEqual([entry(1), entry(3)])
  expect(await verifyChain(lines())).toEqual({ lines: 2, torn: [] })
  full.mockRestore()
  await audit.close()
})

test('lines that can not be taken back either are taken off once the disk lets us, by a new handle too', async () => {
  const audit = await AuditLog.open(folder)
  await audit.append(entry(1))
  const probe = await open(path)
  const files = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const failing = (name: 'datasync' | 'truncate', code: string) =>
    vi.spyOn(files, name).mockRejectedValue(Object.assign(new Error(code), { code }))
  const full = failing('datasync', 'ENOSPC')
  const stuck = failing('truncate', 'EIO')
  for (const time of [2, 3]) {
    const kind = time === 2 ? 'disk-full' : 'store-unusable'
    await expect(audit.append(entry(time))).rejects.toMatchObject({ kind })
    // The line is there, and must not stay.
    expect(lines()).toHaveLength(2)
  }
  full.mockRestore()
  await expect(audit.append(entry(4))).rejects.toMatchObject({ kind: 'store-unusable' })
  stuck.mockRestore()
  // The old handle alone goes on failing.
  const old = vi.spyOn(files, 'truncate').mockRejectedValueOnce(new Error('stale'))
  await audit.append(entry(5))
  old.mockRestore()
  expect(await audit.latest({ limit: 10 })).toEqual([entry(1), entry(5)])
  expect(await verifyChain(lines())).toEqual({ lines: 2, torn: [] })
  await audit.close()
  await expect(audit.append(entry(6))).rejects.toMatchObject({ kind: 'store-unusable' })
})

test('a log that somebody shortened while it failed is not gone on with', async () => {
  const audit = await AuditLog.open(folder)
  await audit.append(entry(1))
  await audit.append(entry(2))
  const probe = await open(path)
  const files = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const full = vi.spyOn(files, 'datasync').mockRejectedValueOnce(new Error('full'))
  const stuck = vi
    .spyOn(files, 'truncate')
    .mockRejectedValueOnce(new Error('stuck'))
    .mockRejectedValueOnce(new Error('stuck'))
  await expect(audit.append(entry(3))).rejects.toMatchObject({ kind: 'store-unusable' })
  truncateSync(path, 10)
  await expect(audit.append(entry(4))).rejects.toMatchObject({
    message: expect.stringContaining('10 are left'),
  })
  full.mockRestore()
  stuck.mockRestore()
  await audit.close()
})

test('a folder that can not be written to is named', async () => {
  const missing = join(folder, 'missing')
  await expect(AuditLog.open(missing)).rejects.toMatchObject({
    kind: 'store-unusable',
    message: expect.stringContaining('missing'),
  })
  await expect(NO_AUDIT.latest({ limit: 1 })).rejects.toMatchObject({ kind: 'bad-arguments' })
})
