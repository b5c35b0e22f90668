/** Goal: a live line is written over, never wraps, and leaves nothing behind. Method: what goes to the streams. */
import { expect, test } from 'vitest'
import { Terminal } from './io.ts'

function terminal(isTTY: boolean) {
  let written = ''
  const stream = {
    write: (text: string) => {
      written += text
    },
    isTTY,
    columns: 10,
  }
  const io = new Terminal({ stdout: stream, stderr: stream }, new AbortController().signal)
  return { io, written: () => written }
}

test('a live line is cut to the terminal and erased before anything else', () => {
  const { io, written } = terminal(true)
  io.live('0123456789abc')
  io.out('done')
  io.endLive()
  expect(written()).toBe('\r\u001b[K012345678\r\u001b[Kdone\n')
})

test('without a terminal there is none', () => {
  const { io, written } = terminal(false)
  io.live('working')
  io.err('done')
  io.endLive()
  expect(written()).toBe('done\n')
})
