/** Goal: who waits for a job sees how far its host is, and gets the answer whatever becomes of that. Method: a coordinator that is a list of answers. */
import type { BundleProgress } from '@godwit/protocol'
import { expect, test } from 'vitest'
import type { Session } from '../session.ts'
import { CapturedIo } from '../support/captured-io.ts'
import { showFetching } from './fetching.ts'

/** Answers with each of these once, `undefined` with an error; then `done` settles. */
function session(said: readonly (BundleProgress | 'nothing' | undefined)[], done: () => void) {
  const io = new CapturedIo(80)
  const left = [...said]
  const client = {
    isOpen: true,
    request: async () => {
      const next = left.shift()
      if (left.length === 0) setImmediate(done)
      if (next === undefined) throw new Error('there is no workload job')
      return { workload: { host: 'a', ...(next !== 'nothing' && { fetching: next }) } }
    },
  }
  return { io, session: { io, client } as unknown as Session }
}

test('how far it is, as often as it says so', async () => {
  let done: (value: string) => void = () => {}
  const asked = new Promise<string>((resolve) => {
    done = resolve
  })
  const half = { bytes: 2 ** 19, ofBytes: 2 ** 20 }
  const { io, session: given } = session([undefined, half, 'nothing', 'nothing'], () => done('trains'))
  expect(await showFetching(given, 'job', asked)).toBe('trains')
  expect(io.lives).toEqual(['a fetches  [##########----------] 50%  512.0 KiB of 1.0 MiB'])
})

test('an answer that fails, fails', async () => {
  const { io, session: given } = session([], () => {})
  await expect(showFetching(given, 'job', Promise.reject(new Error('no room')))).rejects.toThrow('no room')
  expect(io.lives).toEqual([])
})
