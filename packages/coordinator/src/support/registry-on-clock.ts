/** A registry whose time the test moves, and jobs on it; what it tells the agents is kept. */
import type { ToAgent } from '@godwit/protocol'
import { identityLike } from '@godwit/protocol/testing'
import { pino } from 'pino'
import type { Clock } from '../clock.ts'
import { MemoryStore } from '../memory-store.ts'
import { Registry } from '../registry.ts'
import { outputOf } from './fakes.ts'

export async function onClock(store = new MemoryStore(), calendarAheadMs = 0) {
  let nowMs = 0
  let aheadMs = calendarAheadMs
  const timers = new Set<{ atMs: number; action: () => void }>()
  const clock: Clock = {
    nowMs: () => nowMs,
    calendarMs: () => nowMs + aheadMs,
    after: (delayMs, action) => {
      const timer = { atMs: nowMs + delayMs, action }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const registry = await Registry.open({ store, clock, log: pino({ level: 'silent' }) })
  const orders: ToAgent[] = []
  const link = { send: (message: ToAgent) => orders.push(message) }
  const registration = { type: 'register', versions: { min: 1, max: 1 }, faultDomain: 'r' } as const
  const size = { memoryBytes: 2 ** 30, cores: 1, workers: [], checkpoints: [] }
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
  return {
    registry,
    store,
    orders,
    settled,
    setCalendarAhead: (byMs: number) => {
      aheadMs = byMs
    },
    join: (name: string) =>
      registry.agents.registered({ ...registration, ...size, name, address: name }, link),
    leave: (name: string) => registry.agents.disconnected(name, link),
    ids: async () =>
      (
        (await registry.requests.workloads({ op: 'workloads' }, nobody)) as { workloads: { id: string }[] }
      ).workloads.map(({ id }) => id),
    /** Everything that is due until then happens, in its order. */
    async pass(byMs: number) {
      const untilMs = nowMs + byMs
      for (;;) {
        const [next] = [...timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)
        if (next === undefined) break
        nowMs = Math.max(nowMs, next.atMs)
        timers.delete(next)
        next.action()
        await settled()
      }
      nowMs = untilMs
    },
    /** Runs a job that takes three steps and goes on. */
    async job(id: string, host = 'a') {
      const before = orders.length
      const running = registry.requests.run(
        {
          op: 'run',
          ...{ id, host, program: '/p.ts', parameters: {}, steps: 3, tracker: 'compare' as const },
          restartPolicy: 'on-failure',
        },
        nobody,
      )
      await settled()
      const order = orders.slice(before).find(({ type }) => type === 'launch')
      if (order?.type !== 'launch') throw new Error(`no launch of ${id}`)
      const { workerId } = order.launch
      const says = (message: Parameters<typeof registry.agents.fromWorker>[1]['message']) =>
        registry.agents.fromWorker(host, { type: 'fromWorker', workerId, message })
      says({ type: 'prepared', identity: identityLike() })
      await running
      says({ type: 'outputs', outputs: [0, 1, 2].map((step) => outputOf(step, 1)) })
      await settled()
      return {
        says,
        finish: async () => {
          says({ type: 'ended', epoch: 1, steps: 3, stateDigest: 'a'.repeat(64) })
          await settled()
          registry.agents.workerExited(host, { type: 'workerExited', workerId })
          await settled()
        },
      }
    },
  }
}

/** Who asks. */
export const nobody = {
  sink: () => ({ send: () => {}, bufferedBytes: () => 0 }),
  follow: () => {},
  who: 'local',
  followLogs: () => {},
  unfollow: () => {},
  watchPages: () => {},
  unwatchPages: () => {},
}
