/**
 * `npm run sim`: simulated clusters by the thousand.
 *
 *     npm run sim -- --seeds N --from S [--json]      so many runs, beginning with seed S
 *     npm run sim -- --seeds N --first                to the first failure, and no more of it than a sentence
 *     npm run sim -- --seed K [--trace]               one of them, with all that happens
 *     npm run sim -- --replay FILE                    a plan as it was printed
 *
 * Seeds are shared out over processes. A failure is made smaller and printed with what replays it. A large run must
 * also have reached every point, fault and cell that can be reached: one that did not has proved less than it seems. It
 * goes on for a while with seeds that aim at what is missing, and fails if that does not help.
 */
import { fork } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  addCoverage,
  type Coverage,
  CoverageOf,
  metBy,
  type Plan,
  planOf,
  type Result,
  runPlan,
  sameInvariant,
  shrink,
} from '@godwit/testkit/sim'
import { FLAGS } from './flags.ts'
import { gapsIn, MIN_SEEDS_FOR_GAPS, summaryOf } from './reached.ts'

/** Seeds that a process is given at a time. */
const CHUNK = 20
const PROGRESS_MS = 5_000
/** A run in which less happened proves nothing. */
const MIN_HAPPENED = 400
const MAX_SHOWN = 5

/** Beyond those that were asked for, to meet what they left out: at a time, and in all. */
const EXTRA_SEEDS = 40
const MAX_EXTRA_SEEDS = 400

/** Seeds. */
type Chunk = readonly number[]

interface Done {
  readonly results: readonly Pick<Result, 'seed' | 'violation' | 'happened'>[]
  readonly coverage: Coverage
}

async function runChunk(chunk: Chunk): Promise<Done> {
  const results: Done['results'][number][] = []
  const { counts } = new CoverageOf()
  for (const seed of chunk) {
    const { violation, happened, coverage } = await runPlan(planOf(seed, FLAGS))
    const moves = Object.values(coverage.migrations).reduce((sum, each) => sum + each, 0)
    const poor =
      happened < MIN_HAPPENED || moves === 0 ? `poor: ${happened} events, ${moves} moves` : undefined
    results.push({ seed, violation: violation ?? poor, happened })
    addCoverage(counts, coverage)
  }
  return { results, coverage: counts }
}

/** A process that runs what it is sent. */
function serve(): void {
  process.on('message', (chunk: Chunk) => {
    runChunk(chunk).then(
      (done) => process.send?.(done),
      (error: unknown) => {
        console.error(chunk, error)
        process.exit(1)
      },
    )
  })
}

async function runMany(
  { from, seeds }: { from: number; seeds: number },
  { isJson, endsEarly, except }: { isJson: boolean; endsEarly: boolean; except: readonly number[] },
): Promise<void> {
  const beganMs = performance.now()
  const { counts } = new CoverageOf()
  const failed: { seed: number; violation: string }[] = []
  let [total, passed, happened] = [seeds, 0, 0]
  const minutes = (): number => (performance.now() - beganMs) / 60_000
  const progress = setInterval(() => {
    const rate = Math.round(passed / minutes())
    console.error(`${passed} of ${total} seeds, ${rate} a minute, ${failed.length} failed`)
  }, PROGRESS_MS)
  const runAll = async (all: readonly number[]): Promise<void> => {
    const left = [...all]
    const work = async (): Promise<void> => {
      const child = fork(new URL(import.meta.url), ['--serve'], { execArgv: ['--import', 'tsx'] })
      while (left.length > 0 && !(endsEarly && failed.length > 0)) {
        const chunk = left.splice(0, CHUNK)
        const done = await new Promise<Done>((resolve, reject) => {
          child.once('message', (message) => resolve(message as Done))
          child.once('exit', () => reject(new Error(`the process that ran the seeds ${chunk} is gone`)))
          child.send(chunk)
        })
        child.removeAllListeners()
        addCoverage(counts, done.coverage)
        for (const { seed, violation, happened: events } of done.results) {
          passed += 1
          happened += events
          if (violation !== undefined && !except.includes(seed)) failed.push({ seed, violation })
        }
      }
      child.disconnect()
    }
    await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
  }
  await runAll(Array.from({ length: seeds }, (_, index) => from + index))
  let gaps = seeds >= MIN_SEEDS_FOR_GAPS ? gapsIn(counts) : []
  while (gaps.length > 0 && total < seeds + MAX_EXTRA_SEEDS && !endsEarly) {
    console.error(`${EXTRA_SEEDS} seeds more, for ${gaps.join(', ')}`)
    const extra = seedsFor(gaps, from + total)
    if (extra.length === 0) break
    total += EXTRA_SEEDS
    await runAll(extra)
    gaps = gapsIn(counts)
  }
  clearInterval(progress)
  if (endsEarly) {
    for (const { seed, violation } of failed.slice(0, 1)) console.log(`seed ${seed}: ${violation}`)
    process.exitCode = failed.length > 0 ? 1 : 0
    return
  }
  const seedsPerMinute = Math.round(passed / minutes())
  const totals = { seeds: passed, from, happened, seedsPerMinute, failed: failed.length }
  if (isJson) console.log(JSON.stringify({ ...totals, failures: failed, gaps, coverage: counts }))
  else console.log(summaryOf(totals, counts))
  for (const { seed, violation } of failed.slice(MAX_SHOWN)) console.error(`seed ${seed}: ${violation}`)
  for (const { seed } of failed.slice(0, MAX_SHOWN)) await explain(planOf(seed, FLAGS))
  for (const gap of gaps) console.error(`not reached: ${gap}`)
  if (failed.length > 0 || gaps.length > 0) process.exitCode = 1
}

/** Seeds from `from` on, each of which is there to meet one of the gaps; none where no seed is. */
function seedsFor(gaps: readonly string[], from: number): number[] {
  const missing = new Set(gaps.map((gap) => gap.slice(gap.indexOf(': ') + 2)))
  const seeds: number[] = []
  for (let seed = from; seeds.length < EXTRA_SEEDS && seed < from + 100_000; seed++) {
    if (metBy(seed, FLAGS).some((one) => missing.has(one))) seeds.push(seed)
  }
  return seeds
}

/** Says what is wrong with a plan, and with the smallest part of it that is wrong in the same way. */
async function explain(plan: Plan): Promise<void> {
  const { violation, lastLines } = await runPlan(plan)
  if (violation === undefined) return console.error(`seed ${plan.seed} failed, and does not fail again`)
  const smallest = await shrink(plan, async (smaller) =>
    sameInvariant((await runPlan(smaller)).violation, violation),
  )
  const after = await runPlan(smallest)
  const file = join(tmpdir(), `godwit-sim-${plan.seed}.json`)
  writeFileSync(file, JSON.stringify(smallest))
  console.error(`\nseed ${plan.seed}: ${violation}`)
  console.error(
    lastLines
      .slice(-15)
      .map((line) => `    ${line}`)
      .join('\n'),
  )
  console.error(`replay: npm run sim -- --seed ${plan.seed} --trace`)
  console.error(`smaller: ${after.violation}`)
  for (const part of [...smallest.commands, ...smallest.faults]) console.error(`    ${JSON.stringify(part)}`)
  console.error(`replay: npm run sim -- --replay ${file} --trace`)
}

async function runOne(plan: Plan, isTraced: boolean): Promise<void> {
  const result = await runPlan(plan, isTraced ? console.log : undefined)
  console.log(`seed ${plan.seed}: ${result.violation ?? 'all is well'}; ${result.happened} events`)
  if (result.violation === undefined) return
  process.exitCode = 1
  if (!isTraced) await explain(plan)
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    replay: { type: 'string' },
    except: { type: 'string', default: '' },
    first: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    serve: { type: 'boolean', default: false },
  },
})
if (values.serve) serve()
else if (values.replay !== undefined) {
  const text = values.replay.startsWith('{') ? values.replay : readFileSync(values.replay, 'utf8')
  await runOne(JSON.parse(text) as Plan, values.trace)
} else if (values.seed !== undefined) await runOne(planOf(Number(values.seed), FLAGS), values.trace)
else {
  const many = { from: Number(values.from), seeds: Number(values.seeds) }
  await runMany(many, {
    isJson: values.json,
    endsEarly: values.first,
    except: values.except.split(',').map(Number),
  })
}
