/**
 * Goal: a program's lines are shown once each, over pages and a lost connection, and move no cursor. Method: a scripted coordinator and
 * a captured terminal.
 */
import type { Script } from '@godwit/client/testing'
import type { LogLine } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { CommandLine } from './support/command-line.suite.ts'

const cli = new CommandLine()

function line(number: number, text: string, host = 'a'): LogLine {
  return { line: number, host, atMs: 5, text }
}

async function logs(line: string, script: Script) {
  const ran = await cli.godwit(line, script)
  expect(ran.exitCode).toBe(0)
  return ran
}

const PAGES: Script = (request) => {
  if (request.op !== 'logs') return undefined
  return request.fromLine === undefined
    ? { lines: [line(4, 'one'), line(5, 'two', 'b')], firstLine: 4, next: 6 }
    : { lines: [line(6, 'three', 'b')], firstLine: 4 }
}

test('page by page, and where the host changes that is said beside it', async () => {
  const io = await logs('logs job --tail 3', PAGES)
  expect(cli.requests.slice(-2)).toMatchObject([{ tail: 3 }, { fromLine: 6 }])
  expect([io.stdout, io.stderr]).toEqual([['one', 'two', 'three'], ['on b:']])
  const json = await logs('--json logs job', PAGES)
  expect(json.stdout.map((text) => JSON.parse(text))).toEqual([
    line(4, 'one'),
    line(5, 'two', 'b'),
    line(6, 'three', 'b'),
  ])
})

test('followed over a lost connection each line is shown once, and what is lost is said', async () => {
  let follows = 0
  const io = await logs('logs job --follow', (request, connection) => {
    if (request.op !== 'followLogs') return {}
    follows += 1
    const event = (lines: LogLine[], isOver = false) =>
      setImmediate(() => connection.event('job', { kind: 'logs', lines, isOver }))
    if (follows === 1) {
      event([line(0, 'one'), line(1, 'two')])
      setImmediate(() => setImmediate(() => connection.drop()))
      return { fromLine: 0 }
    }
    expect(request.fromLine).toBe(2)
    event([line(1, 'two'), line(9, 'ten')])
    event([], true)
    return { fromLine: 2 }
  })
  expect(io.stdout).toEqual(['one', 'two', 'ten'])
  expect(io.stderr).toContain('7 lines are kept no more')
})

test('a line moves no cursor, and hides nothing', async () => {
  const bad = 'a\u001b[31mred\u001b[2J \u0007\r\u0085b\u202ec\ttab é'
  const { stdout } = await logs('logs job', () => ({ lines: [line(0, bad)], firstLine: 0 }))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
  expect(stdout.join('\n')).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/)
  expect(stdout[0]).toMatch(/^ared \\u0007\\u000d\\u0085b/)
  expect(stdout[0]).toContain('\\u202ec\ttab é')
})
