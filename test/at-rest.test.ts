/**
 * Goal: a job that does not move pays nothing for being able to: no page is tracked, and nobody wakes up to look whether
 * something is to be done. Method: the kernel's own account of a real worker, before, during and after a migration.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Rig } from '@godwit/testkit'
import { afterEach, expect, test } from 'vitest'
import { whyNoUserfaultfd } from './support/needs.ts'

const program = fileURLToPath(new URL('./support/programs/mixer.ts', import.meta.url))
/** Long steps that sleep: whoever is awake in them is not the program. */
const parameters = { pages: 2000, dirtyPages: 50, stepMs: 300 }

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

/** Whether any memory of the process is registered with userfaultfd for write protection (`uw` in proc_pid_smaps(5)). */
function isTracked(pid: number): boolean {
  return /^VmFlags:.* uw/m.test(readFileSync(`/proc/${pid}/smaps`, 'utf8'))
}

/** How often threads of the process went to sleep so far: each time one of them had been awake. */
function wakeUps(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0)
  }, 0)
}

const reason = process.platform === 'linux' ? whyNoUserfaultfd() : 'only Linux tells'

test.skipIf(reason !== undefined)(
  `nothing is tracked and nobody is awake while nothing moves ${reason ?? ''}`,
  {
    timeout: 60_000,
  },
  async () => {
    const rig = new Rig()
    rigs.push(rig)
    const spec = { program, parameters, steps: 10_000, tracker: 'userfaultfd' } as const
    const source = await rig.start(spec)
    const pid = source.process.pid as number
    const during = async (steps: number): Promise<number> => {
      const [from, before] = [rig.ledger.outputs.length, wakeUps(pid)]
      await rig.reached(source, from + steps)
      return (wakeUps(pid) - before) / steps
    }
    await rig.reached(source, 3)
    expect(isTracked(pid)).toBe(false)
    // A step: the thread wakes, posts, the pager sends and hears an acknowledgement; heartbeats, once a second.
    const atRest = await during(4)
    expect(atRest).toBeLessThan(60)

    const target = await rig.start(spec, { mode: 'incoming' })
    const migrationId = await rig.open(source, target, { downtimeLimitMs: 0.001 })
    await source.next(
      'migrationProgress',
      ({ status, progress }) => status === 'active' && progress.round > 0,
    )
    expect(isTracked(pid)).toBe(true)
    // The yardstick can tell: a migration under way looks for dirty pages all the time.
    expect(await during(2)).toBeGreaterThan(2 * atRest)

    source.send({ type: 'cancelMigration', migrationId, error: { kind: 'cancelled', message: 'enough' } })
    await source.next('migrationEnded')
    await rig.reached(source, rig.ledger.outputs.length + 3)
    expect(isTracked(pid)).toBe(false)
    expect(await during(4)).toBeLessThan(60)
  },
)
