/** Goal: the flags offered for the agent are the agent's own. Method: its help, printed by the real process. */
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { AGENT_FLAGS } from './program-services.ts'
import { spawnRoom } from './rooms.ts'

test('the agent knows every flag that is handed to it, and none is missing', async () => {
  const child = spawnRoom('agent/main', ['--help'], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (child.stdout === null) throw new Error('no stdout')
  const known = [...(await text(child.stdout)).matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag)
  const offered = AGENT_FLAGS.map(([flags]) => flags.split(' ')[0])
  expect(['--coordinator', '--insecure', ...offered].sort()).toEqual(known.sort())
})
