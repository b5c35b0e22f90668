/**
 * Goal: the benchmark runs as people run it, and what it prints can be read by a program: every field there, one line a run and one of
 * medians. A link of a stated delay is one, and leaves nothing behind. Method: `npm run -s bench` on a small arena. No time is
 * looked at but a delay's lower bound, which no load can shorten.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrationReport } from '@godwit/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DOWNTIME_PARTS, FIRST_STEPS, type RunLine, type SummaryLine } from './bench/figures.ts'
import { measureLink } from './bench/raw-tcp.ts'
import { REPOSITORY } from './support/cluster.ts'
import { openShapedLink } from './support/netns.ts'
import { filesLeft, makeTemporary, processesLeft, Running } from './support/processes.ts'

const NUMBERS = [
  'run',
  'downtimeLimitMs',
  'downtimeMs',
  'observedGapMs',
  'stepMs',
  'rawTcpBytesPerSecond',
  'throughputBytesPerSecond',
  'floorMs',
  'ratioToFloor',
] as const

let folder: string
let temporary: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gwt-'))
  temporary = join(folder, 'tmp')
})
afterEach(async () => {
  const left = existsSync(temporary) ? await processesLeft(temporary) : []
  rmSync(folder, { recursive: true, force: true })
  expect(left).toEqual([])
})

async function bench(...args: string[]): Promise<Running> {
  const command = ['run', '-s', 'bench', '--', '--arena-mib', '8', '--runs', '1', ...args]
  const running = new Running('npm', command, { cwd: REPOSITORY, env: makeTemporary(temporary) })
  const code = await running.exited
  expect(code, running.err).toBe(0)
  return running
}

describe('npm run bench', () => {
  it('prints a line for a move, with the report, and one of medians', async () => {
    const { lines } = await bench('--case', 'sparse', '--json')
    expect(lines).toHaveLength(2)
    const [run, summary] = lines.map((line) => JSON.parse(line)) as [RunLine, SummaryLine]
    const identity = { case: 'sparse', link: 'loopback', method: 'precopy', downtimeLimitMs: 50 }
    expect(run).toMatchObject({ kind: 'run', ...identity })
    expect(summary).toMatchObject({ kind: 'summary', runs: 1, ...identity })
    for (const name of NUMBERS) expect(run[name], name).toBeTypeOf('number')
    expect(run.firstStepsMs).toHaveLength(FIRST_STEPS)
    expect(run).toHaveProperty('stepSlowdown')
    expect(migrationReport.parse(run.report)).toEqual(run.report)
    expect(run.report).toMatchObject({ status: 'completed', pageBytes: expect.any(Number) })
    for (const part of DOWNTIME_PARTS) expect(summary.downtime?.[part], part).toBe(run.report?.downtime[part])
    expect(summary.downtimeMs).toBe(run.downtimeMs)
  })

  it('prints a table and draws a chart of a restart and of what people compare it with', async () => {
    const chart = join(folder, 'chart.svg')
    const { lines } = await bench('--case', 'idle', '--method', 'restart', '--chart', chart)
    expect(lines).toHaveLength(2)
    expect(lines[1]).toMatch(/^idle +loopback +restart /)
    expect(readFileSync(chart, 'utf8')).toMatch(/^<svg .*<\/svg>$/s)
    expect(filesLeft(temporary)).toEqual([])
  })

  it('says what it does not know, with exit code 2', async () => {
    const command = ['run', '-s', 'bench', '--', '--case', 'nothing']
    const running = new Running('npm', command, { cwd: REPOSITORY, env: makeTemporary(temporary) })
    expect(await running.exited).toBe(2)
    expect(running.err).toContain('--case nothing: choose idle, sparse')
  })
})

const WHY_NO_LINK = await whyNoLink()

describe('a link between network namespaces', () => {
  it.skipIf(WHY_NO_LINK !== undefined)(`delays as stated, and is removed ${WHY_NO_LINK ?? ''}`, async () => {
    const link = await openShapedLink({ bitsPerSecond: 200_000_000, delayMs: 20 })
    try {
      const [from, to] = link.ends
      expect((await measureLink(from, to, 4096)).roundTripMs).toBeGreaterThan(39)
    } finally {
      link.close()
    }
    const ours = readdirSync('/run/netns').filter((name) => name.startsWith(`godwit-${process.pid}-`))
    expect(ours).toEqual([])
  })
})

/** Undefined where one can be made. In CI a machine that can't is a failure. */
async function whyNoLink(): Promise<string | undefined> {
  try {
    const link = await openShapedLink({ bitsPerSecond: 200_000_000, delayMs: 20 })
    link.close()
    return undefined
  } catch (error) {
    if (process.env.CI === 'true') throw error
    return `(not here: ${(error as Error).message})`
  }
}
