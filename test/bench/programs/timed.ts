/**
 * A program as it is, whose steps also say what processor time their thread had: on a machine with few cores a step mostly
 * waits for others, which tells nothing of how fast it is. Linux alone (clock_gettime(2), CLOCK_THREAD_CPUTIME_ID).
 */
import { createRequire } from 'node:module'
import { type Delta, defineProgram, type Program, type SmallState } from '@godwit/worker/contract'

const CLOCK_THREAD_CPUTIME_ID = 3

/** As `program`; each step's `metrics.cpuMs` is what `compute` and `apply` took together, wherever each of them ran. */
export function timed<State extends SmallState>(program: Program<State>): Program<State> {
  return defineProgram<State>({
    ...program,
    async setup(context) {
      const steps = await program.setup(context)
      if ('step' in steps) throw new TypeError('only programs that split their steps are timed')
      const cpuMs = threadClock()
      return {
        init: () => steps.init(),
        compute(state): Delta {
          const beganMs = cpuMs()
          const { arrays, values } = steps.compute(state)
          return { arrays, values: { loss: values.loss, inner: values, computeMs: cpuMs() - beganMs } }
        },
        apply(state, { arrays, values }) {
          const beganMs = cpuMs()
          const report = steps.apply(state, { arrays, values: values.inner as Delta['values'] })
          const took = (values.computeMs as number) + cpuMs() - beganMs
          return { ...report, metrics: { ...report.metrics, cpuMs: took } }
        },
      }
    },
  })
}

/** What this thread has had so far, in milliseconds. */
function threadClock(): () => number {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const read = koffi.load(null).func('int clock_gettime(int, _Out_ int64_t *)')
  const time = new BigInt64Array(2)
  return () => {
    if (read(CLOCK_THREAD_CPUTIME_ID, time) !== 0) throw new Error(`clock_gettime: errno ${koffi.errno()}`)
    return Number(time[0]) * 1e3 + Number(time[1]) / 1e6
  }
}
