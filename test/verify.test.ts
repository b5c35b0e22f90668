/**
 * Goal: with `verify` a job goes on at its target only when all of its memory is what it was at the source, at both park points, with both
 * trackers and codecs; memory that differs is refused, and the job lives on where it was. Method: real workers; a job that moves
 * once for each combination, against one that never moves; and a program that writes to its memory behind the runtime's back.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MigrationOptions, TrackerKind } from '@godwit/protocol'
import { lossBits, Rig } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'
import { trackersHere } from './support/needs.ts'

const programAt = (name: string): string =>
  fileURLToPath(new URL(`./support/programs/${name}.ts`, import.meta.url))

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

function newRig(): Rig {
  const rig = new Rig()
  rigs.push(rig)
  return rig
}

/** Each value of each option once with each tracker. */
const combinations: readonly (Pick<MigrationOptions, 'parkPoint' | 'codec' | 'streams'> & {
  tracker: TrackerKind
})[] = trackersHere().flatMap((tracker, index) => [
  { tracker, parkPoint: 'boundary', codec: index === 0 ? 'raw' : 'xor', streams: 1 },
  { tracker, parkPoint: 'preApply', codec: index === 0 ? 'xor' : 'raw', streams: 3 },
])

test('memory that is compared is the same memory, however it travelled', async () => {
  const rig = newRig()
  const hurryFile = join(rig.folder, 'hurry')
  const parameters = { pages: 800, dirtyPages: 60, flippedPages: 40, stepMs: 8, hurryFile }
  const spec = { program: programAt('mixer'), parameters, steps: 2000 }
  let source = await rig.start({ ...spec, tracker: combinations[0]?.tracker ?? 'compare' })
  for (const [index, { tracker, ...options }] of combinations.entries()) {
    source.process.kill('SIGSTOP')
    const target = await rig.start(
      { ...spec, tracker: combinations[index + 1]?.tracker ?? tracker },
      { mode: 'incoming' },
    )
    source.process.kill('SIGCONT')
    const report = await rig.migrate(source, target, { ...options, verify: true })
    expect(report).toMatchObject({ tracker, parkPoint: options.parkPoint, streams: options.streams })
    expect(report.verifyMs).toBeGreaterThan(0)
    expect(report.downtimeMs).toBeGreaterThanOrEqual(report.verifyMs as number)
    source = target
  }
  writeFileSync(hurryFile, '')
  const moved = await rig.finish(source)
  const control = await rig.control(spec)
  expect(lossBits(moved.outputs)).toBe(lossBits(control.outputs))
  expect(moved.stateDigest).toBe(control.stateDigest)
})

test('memory that somebody wrote to while the job was parked is not taken over, and the job lives on', async () => {
  const rig = newRig()
  const spec = { program: programAt('rogue-writer'), steps: 1_000_000 }
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  await rig.reached(source, 20)
  const migrationId = await rig.open(source, target, { verify: true })
  const refused = { kind: 'memory-differs', phase: 'switchover' }
  expect(await target.next('failed')).toMatchObject({ error: refused })
  await target.exited
  expect(target.received.some(({ type }) => type === 'claim')).toBe(false)

  expect(await source.next('recover')).toMatchObject({ error: refused })
  const frozenAt = rig.ledger.outputs.length
  rig.takeBack(source, migrationId)
  expect(await source.next('migrationEnded')).toMatchObject({ status: 'failed', error: refused })
  await rig.reached(source, frozenAt + 10)
  expect(rig.ledger.outputs.at(-1)?.epoch).toBe(2)
})

test('what nobody asked for is not reported', async () => {
  const rig = newRig()
  const spec = { program: programAt('rogue-writer'), steps: 1_000_000 }
  const source = await rig.start(spec)
  const target = await rig.start(spec, { mode: 'incoming' })
  await rig.reached(source, 20)
  // The same program: nothing but the comparison would have shown what it does.
  const report = await rig.migrate(source, target)
  expect(report.verifyMs).toBeUndefined()
})
