/**
 * Goal: whichever pair of the three parties of a move stops hearing each other, in one direction or both, the move ends, and the job
 * trains on exactly one host, every step once, to the bit. Method: what goes to a host takes 75 ms, what goes to the
 * coordinator nothing, so that there is time to cut a connection while rounds are sent, and while the source's last word is on its way; for longer than every silence that is borne, or until the move is over.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { LIMITS } from '@godwit/protocol'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { COORDINATOR, FarCluster, type Job, type Move } from './far-cluster.ts'
import { control, JOB } from './job.ts'
import { whyNoNetwork } from './needs.ts'

const PARTIES = { source: 'a', target: 'b', coordinator: COORDINATOR } as const
type Party = keyof typeof PARTIES

/** Some seconds of rounds, in which the job dirties less than is sent. */
const SLOWLY = { maxBandwidth: 2 * 2 ** 20 }
const OPTIONS = { downtimeLimitMs: 1000, timeoutMs: 90_000 }
const CUT_MS = {
  active: LIMITS.progressTimeoutMs + 2_000,
  switchover: LIMITS.handoverTimeoutMs + LIMITS.heartbeatTimeoutMs,
} as const

const skipped = await whyNoNetwork()

export function partitionSuite(one: Party, other: Party): void {
  const directions = [
    {
      name: `${one} and ${other} do not hear each other`,
      cuts: [[one, other] as const, [other, one] as const],
    },
    { name: `${other} does not hear ${one}`, cuts: [[one, other] as const] },
    { name: `${one} does not hear ${other}`, cuts: [[other, one] as const] },
  ]

  describe.skipIf(skipped !== undefined)(`${one} and ${other} ${skipped ?? ''}`, () => {
    let cluster: FarCluster
    beforeAll(async () => {
      cluster = await FarCluster.start(['a', 'b'])
      await cluster.network.shape({ delayMs: 75 }, ['a', 'b'])
    })
    afterAll(() => cluster?.end())

    async function cutWhile(
      job: Job,
      phase: keyof typeof CUT_MS,
      cuts: readonly (readonly [Party, Party])[],
    ) {
      const source = await job.settled()
      const target = source === 'a' ? 'b' : 'a'
      const at = { ...PARTIES, source, target }
      const move = await moveTo(job, target, phase)
      for (const [from, to] of cuts) cluster.network.cut(at[from], at[to])
      const mended = new AbortController()
      await Promise.race([move.over(), delay(CUT_MS[phase], undefined, { signal: mended.signal })])
      mended.abort()
      cluster.network.heal()
      const { status, error } = await move.over()
      const host = await job.settled()
      expect(host, status).toBe(status === 'completed' ? target : source)
      console.log(
        `  ${phase}: ${status}${error === undefined ? '' : ` (${error.kind}: ${error.message})`}, trains on ${host}`,
      )
    }

    /** A move that has come so far. On a machine that is busy with other things one may end before. */
    async function moveTo(job: Job, target: string, phase: keyof typeof CUT_MS): Promise<Move> {
      for (let left = 3; ; left--) {
        const move = await job.move(target, { ...OPTIONS, ...(phase === 'active' && SLOWLY) })
        if (await move.comes(phase)) return move
        expect(left, JSON.stringify(move.view.error)).toBeGreaterThan(1)
        await job.settled()
      }
    }

    for (const [index, { name, cuts }] of directions.entries()) {
      test(name, { timeout: 240_000 }, async () => {
        const job = await cluster.run(`job-${index}`, 'a', JOB)
        await cutWhile(job, 'active', cuts)
        await cutWhile(job, 'switchover', cuts)
        expect(await job.finish()).toEqual(await control())
      })
    }
  })
}
