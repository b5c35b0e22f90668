/**
 * The benchmark: `npm run -s bench -- --case sparse --link loopback --method precopy --runs 5`; `--help` says the rest.
 *
 * Beside each downtime as the engine reports it stands what was seen from outside, and a floor measured in the same run. Figures of one
 * run are comparable; from one machine, or one noisy minute, to the next only the ratios are.
 */
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BenchArguments, helpText, Misuse, parseArguments } from './arguments.ts'
import type { BenchCase } from './cases.ts'
import { renderChart } from './chart.ts'
import { clusterMoves } from './cluster-move.ts'
import { type RunLine, type SummaryLine, summarize, tlsCosts } from './figures.ts'
import { type Link, openLink } from './links.ts'
import { moves } from './move.ts'
import { renderRest, rest } from './rest.ts'
import { restarts } from './restart.ts'
import { renderTable, renderTls } from './table.ts'

/** Asked to stop: what runs is ended in order, nothing new is begun. A second time ends at once. */
let isInterrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (isInterrupted) process.exit(130)
    isInterrupted = true
    process.exitCode = 130
    console.error('interrupted: ending what runs')
  })

try {
  const args = parseArguments(process.argv.slice(2))
  if (args === undefined) console.log(helpText())
  else await bench(args)
} catch (error) {
  if (!(error instanceof Misuse)) throw error
  console.error(error.message)
  process.exitCode = 2
}

async function bench(args: BenchArguments): Promise<void> {
  const summaries: SummaryLine[] = []
  if (args.rest !== undefined) await atRest(args.rest, args)
  if (args.cases.length === 0) return
  // Hosts of a cluster have their own link: ours is not looked at.
  for (const linkName of args.cluster === undefined ? args.links : ['loopback']) {
    await attempt(linkName, async () => {
      const link = await openLink(linkName)
      try {
        for (const benchCase of args.cases)
          for (const method of args.methods)
            for (const secured of method === 'restart' ? [false] : args.secured)
              await attempt(`${benchCase.name}, ${linkName}, ${method}`, async () => {
                summaries.push(await summary(args, runsOf(args, { benchCase, link, method, secured })))
              })
      } finally {
        link.close()
      }
    })
  }
  const tls = tlsCosts(summaries)
  if (args.json) for (const line of tls) console.log(JSON.stringify(line))
  if (args.json || summaries.length === 0) return
  console.log(renderTable(summaries))
  if (tls.length > 0) console.log(renderTls(tls))
  const chart = args.chart ?? join(tmpdir(), 'godwit-bench.svg')
  writeFileSync(chart, renderChart(summaries))
  console.error(`chart: ${chart}`)
}

function runsOf(
  args: BenchArguments,
  {
    benchCase,
    link,
    method,
    secured,
  }: { benchCase: BenchCase; link: Link; method: BenchArguments['methods'][number]; secured: boolean },
): AsyncGenerator<RunLine> {
  const { runs, tracker } = args
  const { downtimeLimitMs } = benchCase
  const options = { downtimeLimitMs, ...benchCase.options, ...args.options }
  const { cluster } = args
  if (method !== 'restart' && cluster !== undefined)
    return clusterMoves({ benchCase, cluster, method, runs, tracker, options })
  if (method === 'restart') return restarts({ benchCase, link, runs })
  return moves({ benchCase, link, method, secured, runs, tracker, options })
}

async function atRest(benchCase: BenchCase, { runs, json }: BenchArguments): Promise<void> {
  for await (const line of rest(benchCase, runs)) {
    if (json) console.log(JSON.stringify(line))
    else if (line.kind === 'summary') console.log(renderRest(line))
    if (line.kind === 'run')
      console.error(`at rest, ${line.program}: ${line.runs} of ${runs}: ratio ${line.ratio.toFixed(3)}`)
    if (isInterrupted) return
  }
}

async function summary({ json, runs }: BenchArguments, lines: AsyncGenerator<RunLine>): Promise<SummaryLine> {
  const done: RunLine[] = []
  for await (const line of lines) {
    done.push(line)
    if (json) console.log(JSON.stringify(line))
    progress(line, runs)
    if (isInterrupted) throw new Error(`interrupted after ${done.length} of ${runs}`)
  }
  const summarized = summarize(done)
  if (json) console.log(JSON.stringify(summarized))
  return summarized
}

/** To stderr, and there too where the two measures of a pause contradict each other. */
function progress(line: RunLine, runs: number): void {
  const { downtimeMs, observedGapMs } = line
  const [said, seen] = [downtimeMs.toFixed(1), observedGapMs.toFixed(1)]
  const tls = line.secured ? ', TLS' : ''
  const name = `${line.case}, ${line.link}, ${line.method}${tls}: ${line.run} of ${runs}`
  console.error(`${name}: downtime ${said} ms, seen from outside ${seen} ms`)
  if (line.agrees) return
  const where =
    line.gapStepsBefore === 0
      ? 'the longest gap was at the switchover'
      : `the longest gap was ${line.gapStepsBefore} steps before the switchover, at which ${line.switchoverGapMs.toFixed(1)} ms was seen`
  console.error(
    `${name}: the two do NOT agree within 2 ms or a step (${line.stepMs.toFixed(1)} ms): ${where}`,
  )
}

/** One that fails does not keep the others from being measured, but the exit code tells. */
async function attempt(what: string, body: () => Promise<void>): Promise<void> {
  if (isInterrupted) return
  try {
    await body()
  } catch (error) {
    console.error(`${what}: ${error instanceof Error ? error.message : String(error)}`)
    process.exitCode ??= 1
  }
}
