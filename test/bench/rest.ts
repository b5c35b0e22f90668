/**
 * What Godwit costs a job that does not move: the pace of a program in a worker beside that of the program alone, by turns, so
 * that a machine that becomes slower becomes so for both.
 */
import { fileURLToPath } from 'node:url'
import { Rig } from '@godwit/testkit'
import type { BenchCase } from './cases.ts'
import { Child } from './child.ts'
import { median } from './figures.ts'

const BARE = fileURLToPath(new URL('./bare.ts', import.meta.url))
/** Long enough that outputs which wait some milliseconds for company don't matter. */
const MEASURED_MS = 3000
const WARM_STEPS = 8

export interface RestLine {
  readonly kind: 'run' | 'summary'
  readonly case: 'rest'
  readonly program: string
  readonly runs: number
  readonly godwitStepMs: number
  readonly bareStepMs: number
  readonly ratio: number
}

/** One line a run, then that of the medians. */
export async function* rest(benchCase: BenchCase, runs: number): AsyncGenerator<RestLine> {
  const lines: RestLine[] = []
  for (let run = 1; run <= runs; run++) {
    const godwitFirst = run % 2 === 1
    const early = godwitFirst ? await godwitStepMs(benchCase) : await bareStepMs(benchCase)
    const late = godwitFirst ? await bareStepMs(benchCase) : await godwitStepMs(benchCase)
    const [godwit, bare] = godwitFirst ? [early, late] : [late, early]
    const line: RestLine = {
      kind: 'run',
      case: 'rest',
      program: benchCase.name,
      runs: run,
      godwitStepMs: godwit,
      bareStepMs: bare,
      ratio: godwit / bare,
    }
    lines.push(line)
    yield line
  }
  const middle = (of: (line: RestLine) => number): number => median(lines.map(of))
  yield {
    kind: 'summary',
    case: 'rest',
    program: benchCase.name,
    runs,
    godwitStepMs: middle((line) => line.godwitStepMs),
    bareStepMs: middle((line) => line.bareStepMs),
    ratio: middle((line) => line.ratio),
  }
}

export function renderRest({ program, runs, godwitStepMs, bareStepMs, ratio }: RestLine): string {
  const [under, alone] = [godwitStepMs.toFixed(3), bareStepMs.toFixed(3)]
  return `at rest, ${program}: ${under} ms a step under godwit, ${alone} ms alone, ratio ${ratio.toFixed(3)} (medians of ${runs})`
}

async function godwitStepMs({ program, parameters }: BenchCase): Promise<number> {
  const rig = new Rig()
  try {
    const worker = await rig.start({ program, parameters, steps: 10_000_000 })
    await rig.reached(worker, rig.ledger.outputs.length + WARM_STEPS)
    const first = rig.ledger.outputs.length - 1
    const untilMs = performance.now() + MEASURED_MS
    await worker.until(() => performance.now() >= untilMs && rig.ledger.outputs.length > first + 1)
    const last = rig.ledger.outputs.length - 1
    const { arrivalsMs } = rig.ledger
    return ((arrivalsMs[last] as number) - (arrivalsMs[first] as number)) / (last - first)
  } finally {
    await rig.close()
  }
}

async function bareStepMs({ program, parameters }: BenchCase): Promise<number> {
  const bare = new Child({ command: [], host: '127.0.0.1' }, BARE, [program, JSON.stringify(parameters)])
  try {
    await bare.next()
    bare.tell({ forMs: MEASURED_MS })
    return (await bare.next()).value.stepMs as number
  } finally {
    await bare.kill()
  }
}
