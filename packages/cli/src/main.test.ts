/**
 * Goal: what only the process itself can get wrong: a pipe's reader gets everything, and an exit code.
 * Method: the real executable against a scripted coordinator, read by somebody who takes his time.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { FakeCoordinator } from '@godwit/client/testing'
import { LIMITS, type Output } from '@godwit/protocol'
import { workloadLike } from '@godwit/protocol/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'

const GODWIT = fileURLToPath(new URL('../bin/godwit.mjs', import.meta.url))
/** Many times what a pipe takes at once. */
const STEPS = 20_000

let coordinator: FakeCoordinator
beforeEach(async () => {
  coordinator = new FakeCoordinator()
  await coordinator.start()
})
afterEach(() => coordinator.stop())

function follow() {
  coordinator.script = (_, connection) => {
    for (let from = 0; from < STEPS; from += LIMITS.maxOutputsPerMessage) {
      const count = Math.min(LIMITS.maxOutputsPerMessage, STEPS - from)
      const outputs = Array.from({ length: count }, (_, index): Output => {
        return { step: from + index, epoch: 1, loss: 0.5, stepMs: 1 }
      })
      connection.event('job', { kind: 'steps', outputs })
    }
    return { workload: workloadLike({ status: 'finished', acceptedSteps: STEPS }) }
  }
  return spawn(process.execPath, [
    ...[GODWIT, '--coordinator', coordinator.url, '--json', 'follow', 'job', '--from-step', '0'],
  ])
}

test('all of the output reaches a pipe before the process exits', async () => {
  const child = follow()
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    text += data
  })
  const [code] = await once(child, 'close')
  const lines = text.trimEnd().split('\n')
  expect(lines).toHaveLength(STEPS + 1)
  expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ workload: { status: 'finished' } })
  expect(code).toBe(0)
})

test('a reader that has enough, and Ctrl-C before one that reads nothing, end it', async () => {
  const enough = follow()
  await once(enough.stdout, 'data')
  enough.stdout.destroy()
  expect(await once(enough, 'exit')).toEqual([0, null])

  const stuck = follow()
  await once(stuck.stdout, 'readable')
  stuck.kill('SIGINT')
  expect(await once(stuck, 'exit')).toEqual([130, null])
})
