/**
 * Goal: what comes is what was asked for, over a coordinator that goes away and comes back, says that it is busy, or gives other bytes; what it refuses
 * is told. Method: a server that does what the test says, at the address of a coordinator.
 */
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type Listener, listen } from '@godwit/channel'
import { AGENT_BLOBS_PATH, type ErrorKind, PROBLEM_TYPE } from '@godwit/protocol'
import { afterEach, expect, test } from 'vitest'
import { CoordinatorSource } from './bundle-source.ts'

const BYTES = Buffer.from('what was asked for')
const DIGEST = createHash('sha256').update(BYTES).digest('hex')
const signal = new AbortController().signal

let listener: Listener | undefined
afterEach(() => listener?.close())

type Answer = (response: ServerResponse) => void
const gives =
  (bytes: Buffer): Answer =>
  (response) =>
    void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes)
const refuses =
  (kind: ErrorKind, status: number): Answer =>
  (response) =>
    void response
      .writeHead(status, { 'content-type': PROBLEM_TYPE })
      .end(JSON.stringify({ type: 't', title: 't', status, detail: 'said so', kind }))
const hangsUp: Answer = (response) => void response.destroy()

/** Answers one after the other, the last of them for good. Returns what was asked for. */
async function answering(port: number, ...answers: Answer[]): Promise<string[]> {
  const asked: string[] = []
  listener = await listen({
    at: { host: '127.0.0.1', ports: [port] },
    connected: () => {},
    http: ({ url = '' }, response) => {
      asked.push(url)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      answer?.(response)
    },
  })
  return asked
}

const asks = (at = listener?.port): CoordinatorSource =>
  new CoordinatorSource(`ws://127.0.0.1:${at}/`, () => undefined)

test('what it gives is asked for by its digest', async () => {
  const asked = await answering(0, gives(BYTES))
  const source = asks()
  expect(await source.get(DIGEST, signal)).toEqual(BYTES)
  expect(asked).toEqual([`${AGENT_BLOBS_PATH}/${DIGEST}`])
  source.close()
})

test('one that is busy, or gives other bytes once, is asked again', async () => {
  const asked = await answering(0, refuses('too-busy', 429), gives(Buffer.from('other')), gives(BYTES))
  const source = asks()
  expect(await source.get(DIGEST, signal)).toEqual(BYTES)
  expect(asked).toHaveLength(3)
  source.close()
})

test('other bytes again and again are an error, and so is what it refuses', async () => {
  const asked = await answering(0, gives(Buffer.from('other')))
  const source = asks()
  await expect(source.get(DIGEST, signal)).rejects.toMatchObject({ kind: 'bad-checksum' })
  expect(asked).toHaveLength(3)
  source.close()
  await listener?.close()
  await answering(0, refuses('bundle-missing', 404))
  const next = asks()
  await expect(next.get(DIGEST, signal)).rejects.toMatchObject({ kind: 'bundle-missing', message: 'said so' })
  next.close()
})

test('one that hangs up, or is away, is tried until it is back', async () => {
  await answering(0, hangsUp, gives(BYTES))
  const { port = 0 } = listener ?? {}
  const source = asks()
  expect(await source.get(DIGEST, signal)).toEqual(BYTES)
  await listener?.close()
  const coming = source.get(DIGEST, signal)
  await answering(port, gives(BYTES))
  expect(await coming).toEqual(BYTES)
  source.close()
})

test('whoever needs it no more is not kept waiting', async () => {
  const given = new AbortController()
  const source = asks(1)
  const coming = source.get(DIGEST, given.signal)
  given.abort()
  await expect(coming).rejects.toMatchObject({ kind: 'cancelled' })
  source.close()
})
