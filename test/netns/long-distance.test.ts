/**
 * Goal: a job moves across an ocean: 150 ms there and back, 250 Mbit/s, what long-distance migration of virtual machines asks for.
 * It should use 0.8 of the line, and pause no longer than two round trips more than the last bytes take. Method: moves of a job of
 * 256 MiB; beside each, in the same minute and on the same hosts, a raw TCP socket that carries as many bytes as the job's last round.
 * Both figures are printed, with the bar. Asserted is what cores that are busy with something else don't change: its streams together carry
 * more than that socket could, and the downtime does not grow with the memory, which would be fifty round trips.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { throughputOf } from '../bench/figures.ts'
import { measureLink } from '../bench/raw-tcp.ts'
import { FarCluster, type Job } from './far-cluster.ts'
import { controlOf } from './job.ts'
import { whyNoNetwork } from './needs.ts'

const LINE = { bitsPerSecond: 250e6, delayMs: 75 } as const
const LINE_BYTES_PER_SECOND = LINE.bitsPerSecond / 8
const LARGE = { parameters: { pages: 65_536, dirtyPages: 8, stepMs: 50 }, steps: 4000 }
/** A round that is shorter says how the line is filled, not how it is used. */
const LONG_ROUND_MS = 20 * 2 * LINE.delayMs

const skipped = await whyNoNetwork()

describe.skipIf(skipped !== undefined)(`long distances ${skipped ?? ''}`, () => {
  let cluster: FarCluster
  beforeAll(async () => {
    cluster = await FarCluster.start(['a', 'b'])
    await cluster.network.shape(LINE)
  })
  afterAll(() => cluster?.end())

  test('256 MiB move there and back over 250 Mbit/s, 75 ms each way', async () => {
    const job = await cluster.run('emigrant', 'a', LARGE)
    const moves = [await measured(job, 'a', 'b'), await measured(job, 'b', 'a')]
    for (const { lineShare, rawShare, roundTripsAbove } of moves) {
      expect(lineShare).toBeGreaterThan(rawShare)
      expect(roundTripsAbove).toBeLessThan(10)
    }
    await cluster.network.shape({})
    expect(await job.finish()).toEqual(await controlOf(LARGE))
  })

  /** What of the line its long rounds used, and by how many round trips its downtime was above the floor. */
  async function measured(
    job: Job,
    from: string,
    to: string,
  ): Promise<{ lineShare: number; rawShare: number; roundTripsAbove: number }> {
    const move = await job.move(to, { downtimeLimitMs: 1000 })
    const { status, error, report } = await move.over()
    expect({ status, error }).toEqual({ status: 'completed', error: undefined })
    expect(await job.settled()).toBe(to)
    const { rounds = [], downtimeMs = 0, deltaBytes = 0, streams } = report ?? {}
    // Nobody said so: the link did.
    expect(streams).toBeGreaterThan(1)
    const lastBytes = (rounds.at(-1)?.wireBytes ?? 0) + deltaBytes
    const { network } = cluster
    const raw = await measureLink(network.place(from), network.place(to), lastBytes)
    const long = rounds.filter(({ durationMs }) => durationMs >= LONG_ROUND_MS)
    const ofLine = (bytesPerSecond: number): number => bytesPerSecond / LINE_BYTES_PER_SECOND
    const lineShare = ofLine(throughputOf({ rounds: long }))
    const rawShare = ofLine(raw.rawTcpBytesPerSecond)
    const roundTripsAbove = (downtimeMs - raw.floorMs) / raw.roundTripMs
    console.log(
      `  ${from} to ${to}: ${lineShare.toFixed(2)} of the line (bar 0.80; one raw TCP connection ${rawShare.toFixed(2)}), ` +
        `${downtimeMs.toFixed(0)} ms of downtime, ${roundTripsAbove.toFixed(1)} round trips above the floor of ${raw.floorMs.toFixed(0)} ms (bar 2)`,
    )
    return { lineShare, rawShare, roundTripsAbove }
  }
})
