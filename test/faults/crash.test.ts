/**
 * Goal: whatever process dies or freezes at whatever point, the job is the same to the bit, has one owner at the end, and
 * nothing is left over. Method: the story of a job (story.ts), told with real processes once for each point and each of the two
 * faults; a supervisor starts again what died.
 *
 * GODWIT_FAULTS=all tells all of them, which takes hours; SIGKILL and SIGSTOP half of them; a number so many, drawn from a seed that
 * is printed; <role>/<point> that one.
 */
import { seededSteps } from '@godwit/testkit'
import { beforeAll, expect, test } from 'vitest'
import type { Outcome } from './outcome.ts'
import { crashPoints } from './points.ts'
import { tell, uneventful } from './story.ts'

const points = crashPoints()
const faults = [...points.keys()].flatMap((point) => [point, `${point}=SIGSTOP`])

function chosen(): string[] {
  const asked = process.env.GODWIT_FAULTS ?? '6'
  if (asked === 'all') return faults
  if (asked === 'SIGKILL') return [...points.keys()]
  if (asked === 'SIGSTOP') return faults.filter((fault) => fault.endsWith('=SIGSTOP'))
  if (!/^\d+$/.test(asked)) return faults.filter((fault) => fault === asked || fault === `${asked}=SIGSTOP`)
  const { random } = seededSteps('faults')
  const left = [...faults]
  return Array.from(
    { length: Math.min(Number(asked), left.length) },
    () => left.splice(random(left.length), 1)[0] as string,
  )
}

let expected: Outcome
beforeAll(async () => {
  expected = await uneventful()
}, 300_000)

test.each(chosen())('%s', { timeout: 600_000 }, async (fault) => {
  const [point = '', signal] = fault.split('=')
  const armed = [...(points.get(point) ?? [])].slice(0, -1)
  const told = await tell([...armed, signal === undefined ? point : `${point}=${signal}`])
  expect(told.notReached, 'the story did not come by').toEqual([])
  expect({ losses: told.losses, stateDigest: told.stateDigest }).toEqual(expected)
})

test('the story comes by every point that needs no other fault before it', { timeout: 600_000 }, async () => {
  const told = await tell([])
  expect({ losses: told.losses, stateDigest: told.stateDigest }).toEqual(expected)
  const alone = [...points].filter(([, armed]) => armed.length === 1).map(([point]) => point)
  expect(alone.filter((point) => !told.passed.includes(point))).toEqual([])
  expect(
    told.passed.filter((point) => !points.has(point)),
    'points that nobody knows of',
  ).toEqual([])
})
