/**
 * Goal: a job moves between Node releases without changing a bit, and one that would change bits is refused.
 * Method: a worker on the Node that runs this, one on the current LTS, one back; compared with control runs on both.
 * Then a program that calls a transcendental of Math, whose bits differ between the two: its rehearsal must give it away.
 */
import { execFileSync } from 'node:child_process'
import { type JobSpec, lossBits, programFile, Rig } from '@godwit/testkit'
import { afterEach, describe, expect, test } from 'vitest'
import { LTS_NODE_VERSION, ltsNodePath } from '../scripts/lts-node.mjs'

const lts = ltsNodePath()
const isThisOne = process.version === `v${LTS_NODE_VERSION}`
const skipped = isThisOne
  ? 'skipped: this is the LTS itself'
  : lts === undefined && 'skipped: the LTS Node is not here, `node scripts/fetch-lts-node.mjs` gets it'
if (lts === undefined && process.env.CI === 'true') throw new Error(String(skipped))

const rigs: Rig[] = []
afterEach(async () => {
  await Promise.all(rigs.splice(0).map((rig) => rig.close()))
})

function newRig(): Rig {
  const rig = new Rig()
  rigs.push(rig)
  return rig
}

const jobs: JobSpec[] = [
  { program: 'mnist-mlp', steps: 150 },
  { program: 'char-transformer', steps: 40, parameters: { batchSize: 2 } },
  { program: 'word-embeddings', steps: 2000 },
]

describe.skipIf(skipped !== false)(skipped || 'between two releases of Node', () => {
  for (const spec of jobs) {
    test(`${spec.program} moves to the LTS and back, and all runs agree to the bit`, {
      timeout: 240_000,
    }, async () => {
      const rig = newRig()
      let source = await rig.start(spec)
      for (const node of [lts as string, process.execPath]) {
        await rig.reached(source, rig.ledger.outputs.length + 2)
        source.process.kill('SIGSTOP')
        const target = await rig.start(spec, { mode: 'incoming', node })
        source.process.kill('SIGCONT')
        await rig.migrate(source, target)
        source = target
      }
      const moved = await rig.finish(source)
      for (const node of [process.execPath, lts as string]) {
        const control = await newRig().control(spec, node)
        expect(lossBits(control.outputs) === lossBits(moved.outputs), `losses of ${node}`).toBe(true)
        expect(control.stateDigest).toBe(moved.stateDigest)
      }
    })
  }

  test('a program whose Math differs between them is refused, and the culprit is named', {
    timeout: 60_000,
  }, async () => {
    const functions = [
      'exp',
      'sin',
      'cos',
      'tan',
      'pow',
      'expm1',
      'log1p',
      'sinh',
      'cosh',
      'asinh',
      'atan',
      'log2',
    ]
    const differing = functions.find((name) => bitsOf(process.execPath, name) !== bitsOf(lts as string, name))
    if (differing === undefined) {
      // Nothing to refuse between these two releases: then no program that moves between them can differ by Math.
      expect(functions.map((name) => bitsOf(process.execPath, name))).toEqual(
        functions.map((name) => bitsOf(lts as string, name)),
      )
      return
    }
    const spec: JobSpec = {
      program: programFile(new URL('./support/programs/transcendental.ts', import.meta.url).pathname),
      steps: 100_000,
      parameters: { fn: differing },
    }
    const rig = newRig()
    const source = await rig.start(spec)
    const target = await rig.start(spec, { mode: 'incoming', node: lts as string })
    const migrationId = await rig.open(source, target)
    const ended = await source.next('migrationEnded', (message) => message.migrationId === migrationId)
    expect(ended).toMatchObject({
      status: 'failed',
      error: { kind: 'bits-differ', phase: 'setup', message: expect.stringContaining(`Math.${differing}`) },
    })
    await rig.reached(source, rig.ledger.outputs.length + 5)
  })
})

/** Bits of one Math function on the points that `transcendental.ts` uses, as the given Node computes them. */
function bitsOf(node: string, name: string): string {
  const code = `
    let sum = 0
    for (let index = 1; index <= 20000; index++) sum = (sum + Math[${JSON.stringify(name)}](index / 1777, 1.37)) % 1e6
    process.stdout.write(Buffer.from(new Float64Array([sum]).buffer).toString('hex'))`
  return execFileSync(node, ['-e', code], { encoding: 'utf8' })
}
