/** Goal: the process says when it is ready, what is wrong, and ends in order. Method: the real process with its pipes. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FakeAgent } from './support/fakes.ts'
import { useProcesses } from './support/process.suite.ts'

/** Loading takes seconds on a busy machine. */
const SLOW = { timeout: 60_000 }
const start = useProcesses()

test('one line once it listens, a clear word on a port in use, an orderly end', SLOW, async () => {
  const { child, output } = start('--port', '0', '--log-level', 'error')
  if (child.stdout !== null) await once(child.stdout, 'data')
  const { listening } = JSON.parse(output.out)
  expect(listening).toEqual({ host: '127.0.0.1', port: expect.any(Number) })

  const second = start('--port', String(listening.port), '--log-level', 'error')
  expect((await once(second.child, 'close'))[0]).toBe(1)
  expect(second.output.err).toMatch(
    /^godwit coordinator: port \d+ on 127\.0\.0\.1 is in use: choose another\n$/,
  )
  expect(second.output.out).toBe('')

  child.kill('SIGTERM')
  expect((await once(child, 'close'))[0]).toBe(0)
  expect(output.err).toBe('')
})

test('with a folder it is the same cluster each time, and alone in it', SLOW, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-main-'))
  try {
    const registered: unknown[] = []
    for (let time = 0; time < 2; time++) {
      const { child, output } = start('--port', '0', '--log-level', 'warn', '--data-dir', folder)
      if (child.stdout !== null) await once(child.stdout, 'data')
      const { port } = JSON.parse(output.out).listening
      const agent = await FakeAgent.connect(port, 'a')
      agent.register()
      registered.push(await agent.order('registered'))
      const second = start('--port', '0', '--data-dir', folder)
      expect((await once(second.child, 'close'))[0]).toBe(1)
      expect(second.output.err).toContain('another coordinator runs on')
      child.kill('SIGKILL')
      await once(child, 'close')
      // Only without a folder there is something to warn of.
      expect(output.err).not.toContain('survives')
    }
    expect(registered[1]).toEqual(registered[0])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('without a folder it says that nothing stays', SLOW, async () => {
  const { child, output } = start('--port', '0', '--log-level', 'warn')
  if (child.stdout !== null) await once(child.stdout, 'data')
  expect(output.err.trim().split('\n')).toHaveLength(1)
  expect(output.err).toContain('--data-dir')
})

test('off loopback it is secured, or told that it need not be', SLOW, async () => {
  const off = ['--port', '0', '--host', '0.0.0.0', '--log-level', 'error']
  const refused = start(...off)
  expect((await once(refused.child, 'close'))[0]).toBe(1)
  expect(refused.output.err).toMatch(/godwit coordinator init.*--insecure/)
  expect(refused.output.out).toBe('')
  const { child, output } = start(...off, '--insecure')
  if (child.stdout !== null) await once(child.stdout, 'data')
  expect(JSON.parse(output.out).listening.host).toBe('0.0.0.0')
})

test('flags that make no sense are named', SLOW, async () => {
  const wrong = [['--port', '70000'], ['--log-level', 'loud'], ['--bogus']]
  for (const args of wrong) {
    const { child, output } = start(...args)
    expect((await once(child, 'close'))[0]).toBe(1)
    expect(output.err).toMatch(/^godwit coordinator: .*\n$/)
    expect(output.err).toContain(args[0])
  }
})
