/** Goal: what a move waits for is said as it is on a page. Method: what the coordinator says. */
import { expect, test } from 'vitest'
import { waitText } from './moves.ts'

test.each([
  ['somebody to let it go: godwit switchover digits', 'somebody to let it go'],
  [
    'somebody to let it go on: it was paused by local, godwit resume digits',
    'somebody to let it go on: it was paused by local',
  ],
  ['words, which switches over on the same link', 'words, which switches over on the same link'],
])('%s', (said, shown) => {
  expect(waitText(said)).toBe(shown)
})
