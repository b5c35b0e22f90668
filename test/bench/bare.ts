/**
 * A process that trains without Godwit, as people do: `bare.ts PROGRAM PARAMETERS [CHECKPOINT]`.
 *
 * It goes on from a checkpoint if it is given one. Told `{"train": true}` it steps and says so after each, until told
 * `{"checkpoint": FILE}`: then it writes its state there and ends. Told `{"forMs": N}` it steps for so long and says only what a step
 * took: the pace of the program alone. A checkpoint is 8 bytes of length, the small state, all tensors.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { deserialize, serialize } from 'node:v8'
import type { Program, SmallState } from '@godwit/worker/contract'
import { loadBare } from './bare-program.ts'
import { leashed, say } from './child.ts'

const LENGTH_BYTES = 8
const CHUNK_BYTES = 64 * 1024 * 1024
const WARM_STEPS = 5

const [programName, parameters, from] = process.argv.slice(2) as [string, string, string | undefined]
const program = await loadBare(programName, JSON.parse(parameters) as NonNullable<Program['parameters']>)
let state: SmallState
let steps = 0
let checkpoint: string | undefined
if (from === undefined) state = program.steps.init()
else {
  const read = readCheckpoint(from)
  state = read.state
  steps = read.steps
}

leashed(({ train, checkpoint: file, forMs }) => {
  if (typeof file === 'string') checkpoint = file
  if (train === true) trainUntilTold().catch(fail)
  if (typeof forMs === 'number') say({ stepMs: paceFor(forMs) })
})
say({ loaded: true })

async function trainUntilTold(): Promise<void> {
  while (checkpoint === undefined) {
    const beganMs = performance.now()
    const loss = program.step(state)
    say({ step: steps, loss, stepMs: performance.now() - beganMs })
    steps += 1
    await nextTurn()
  }
  say({ checkpointBytes: writeCheckpoint(checkpoint) })
  process.exit(0)
}

function paceFor(forMs: number): number {
  for (let step = 0; step < WARM_STEPS; step++) program.step(state)
  const beganMs = performance.now()
  let count = 0
  for (; performance.now() - beganMs < forMs; count++) program.step(state)
  return (performance.now() - beganMs) / count
}

function writeCheckpoint(file: string): number {
  const small = serialize({ state, steps })
  const head = Buffer.alloc(LENGTH_BYTES)
  head.writeDoubleLE(small.length)
  const output = openSync(file, 'w')
  for (const part of [head, small, program.paged])
    for (let at = 0; at < part.length; )
      at += writeSync(output, part, at, Math.min(CHUNK_BYTES, part.length - at))
  closeSync(output)
  return head.length + small.length + program.paged.length
}

function readCheckpoint(file: string): { state: SmallState; steps: number } {
  const input = openSync(file, 'r')
  const fill = (part: Uint8Array): Uint8Array => {
    for (let at = 0; at < part.length; ) {
      const read = readSync(input, part, at, Math.min(CHUNK_BYTES, part.length - at), null)
      if (read === 0) throw new Error(`${file} is too short`)
      at += read
    }
    return part
  }
  const length = Buffer.from(fill(new Uint8Array(LENGTH_BYTES))).readDoubleLE()
  const small = deserialize(fill(new Uint8Array(length))) as { state: SmallState; steps: number }
  fill(program.paged)
  closeSync(input)
  return small
}

function fail(error: unknown): never {
  console.error(error)
  process.exit(1)
}
