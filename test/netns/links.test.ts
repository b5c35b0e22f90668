/**
 * Goal: over links of any kind a job arrives, to the bit, and over one that comes and goes the move at least ends, with the job in
 * one place. Method: a job that is moved back and forth, over another link each time; then the cable of each host is taken out and put back
 * in, again and again, while the job is on its way.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FarCluster, type Job } from './far-cluster.ts'
import { control, JOB } from './job.ts'
import { whyNoNetwork } from './needs.ts'

const skipped = await whyNoNetwork()
const LINKS = {
  '1 Gbit/s': { bitsPerSecond: 1e9 },
  '100 Mbit/s': { bitsPerSecond: 1e8 },
  '20 ms each way': { delayMs: 20 },
  '75 ms each way': { delayMs: 75 },
  '1 % lost': { loss: 0.01 },
  '100 Mbit/s, 20 ms each way, 1 % lost': { bitsPerSecond: 1e8, delayMs: 20, loss: 0.01 },
} as const

describe.skipIf(skipped !== undefined)(`links ${skipped ?? ''}`, () => {
  let cluster: FarCluster
  beforeAll(async () => {
    cluster = await FarCluster.start(['a', 'b'])
  })
  afterAll(() => cluster?.end())

  test('a job is moved over each kind of link, and no bit is another than without a move', async () => {
    const job = await cluster.run('travelling', 'a', JOB)
    for (const [index, [name, shape]] of Object.entries(LINKS).entries()) {
      await cluster.network.shape(shape)
      const to = index % 2 === 0 ? 'b' : 'a'
      const move = await job.move(to, { downtimeLimitMs: 1000 })
      const { status, error, report } = await move.over()
      expect({ name, status, error }).toEqual({ name, status: 'completed', error: undefined })
      expect(await job.settled()).toBe(to)
      const { totalMs = 0, downtimeMs = 0, wireBytes = 0 } = report ?? {}
      console.log(
        `  ${name}: ${(wireBytes / 2 ** 20).toFixed(1)} MiB in ${totalMs.toFixed(0)} ms, ${downtimeMs.toFixed(0)} ms of downtime`,
      )
    }
    await cluster.network.shape({})
    expect(await job.finish()).toEqual(await control())
  })

  for (const { name, host, outMs, inMs } of [
    { name: "the target's", host: 'b', outMs: 400, inMs: 600 },
    { name: "the source's", host: 'a', outMs: 400, inMs: 600 },
    { name: "the target's, for seconds,", host: 'b', outMs: 3000, inMs: 2000 },
  ]) {
    test(`${name} cable is out again and again while a job moves: it is in one place, to the bit`, async () => {
      const id = `flapping-${host}-${outMs}`
      const job = await cluster.run(id, 'a', JOB)
      await cluster.network.shape({ delayMs: 5 })
      const move = await job.move('b', {
        maxBandwidth: 2 * 2 ** 20,
        downtimeLimitMs: 1000,
        timeoutMs: 60_000,
      })
      await move.comes('active')
      const isOver = new AbortController()
      const flapping = flap(host, { outMs, inMs }, isOver.signal)
      const { status, error } = await move.over()
      isOver.abort()
      await flapping
      await expectSettled(job, status)
      console.log(`  ${name} cable: ${status}${error === undefined ? '' : ` (${error.kind})`}`)
      await cluster.network.shape({})
      expect(await job.finish()).toEqual(await control())
    })
  }

  async function flap(
    host: string,
    { outMs, inMs }: { outMs: number; inMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    const over = once(signal, 'abort')
    while (!signal.aborted) {
      cluster.network.unplug(host)
      await Promise.race([delay(outMs), over])
      cluster.network.plug(host)
      await Promise.race([delay(inMs), over])
    }
  }

  async function expectSettled(job: Job, status: string): Promise<void> {
    expect(await job.settled(), status).toBe(status === 'completed' ? 'b' : 'a')
  }
})
