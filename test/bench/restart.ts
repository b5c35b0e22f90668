/**
 * What people do today, to compare with: write a checkpoint, end the process, copy the file, start a new process, load.
 *
 * Godwit has no part in it: the same program steps in a plain loop in a process of its own. The pause is the gap between the last
 * step before and the first step after, seen from outside, less a usual step; there is no other measure of it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { RigPlace } from '@godwit/testkit'
import type { BenchCase } from './cases.ts'
import { Child, type Heard } from './child.ts'
import { FIRST_STEPS, observe, type RestartParts, type RunLine } from './figures.ts'
import { FileCopy } from './file-copy.ts'
import type { Link } from './links.ts'
import { measureLink } from './raw-tcp.ts'

const BARE = fileURLToPath(new URL('./bare.ts', import.meta.url))

export interface RestartPlan {
  readonly benchCase: BenchCase
  readonly link: Link
  readonly runs: number
}

/** Restarts `runs` times; gives each line as soon as it is known. */
export async function* restarts({ benchCase, link, runs }: RestartPlan): AsyncGenerator<RunLine> {
  const [from, to] = link.ends
  for (let run = 1; run <= runs; run++) {
    const { before, after, restart } = await restartOnce(benchCase, from, to)
    const { observedGapMs, ...seen } = observe({
      before: arrivals(before),
      during: [],
      after: arrivals(after),
    })
    const figures = await measureLink(from, to, benchCase.dirtyBytesPerStep)
    yield {
      kind: 'run',
      secured: false,
      cpuMs: null,
      case: benchCase.name,
      link: link.name,
      method: 'restart',
      run,
      downtimeLimitMs: benchCase.downtimeLimitMs,
      downtimeMs: observedGapMs,
      observedGapMs,
      ...seen,
      agrees: true,
      firstStepsMs: after.map(({ value }) => value.stepMs as number),
      rawTcpBytesPerSecond: figures.rawTcpBytesPerSecond,
      throughputBytesPerSecond: (restart.checkpointBytes / restart.copyMs) * 1000,
      floorMs: figures.floorMs,
      ratioToFloor: observedGapMs / figures.floorMs,
      report: null,
      restart,
    }
  }
}

interface Restarted {
  /** What was said after each step: by the old process, and by the new one. */
  readonly before: readonly Heard[]
  readonly after: readonly Heard[]
  readonly restart: RestartParts
}

async function restartOnce(benchCase: BenchCase, from: RigPlace, to: RigPlace): Promise<Restarted> {
  const { program, parameters, stepsBefore } = benchCase
  const folder = mkdtempSync(join(tmpdir(), 'godwit-restart-'))
  const [written, copied] = [join(folder, 'written'), join(folder, 'copied')]
  const args = [program, JSON.stringify(parameters)]
  const old = new Child(from, BARE, args)
  let fresh: Child | undefined
  let copy: FileCopy | undefined
  try {
    copy = await FileCopy.open(from, to, copied)
    old.tell({ train: true })
    await old.until(() => stepsOf(old).length > stepsBefore)
    const beganMs = performance.now()
    old.tell({ checkpoint: written })
    await old.exited
    const endedMs = performance.now()
    await copy.copy(written)
    const copiedMs = performance.now()
    const target = new Child(to, BARE, [...args, copied])
    fresh = target
    target.tell({ train: true })
    await target.until(() => stepsOf(target).length >= FIRST_STEPS)
    const before = stepsOf(old)
    const after = stepsOf(target).slice(0, FIRST_STEPS)
    checkGapless(before, after)
    return {
      before: before.slice(1),
      after,
      restart: {
        checkpointMs: endedMs - beganMs,
        copyMs: copiedMs - endedMs,
        loadMs: (after[0] as Heard).atMs - copiedMs,
        checkpointBytes: old.heard.at(-1)?.value.checkpointBytes as number,
      },
    }
  } finally {
    await Promise.all([old.kill(), fresh?.kill(), copy?.close()])
    rmSync(folder, { recursive: true, force: true })
  }
}

function stepsOf(child: Child): Heard[] {
  return child.heard.filter(({ value }) => 'step' in value)
}

function arrivals(heard: readonly Heard[]): number[] {
  return heard.map(({ atMs }) => atMs)
}

function checkGapless(before: readonly Heard[], after: readonly Heard[]): void {
  const [last, first] = [before.at(-1)?.value.step, after[0]?.value.step]
  if (first !== (last as number) + 1) throw new Error(`step ${first} came after step ${last}`)
}
