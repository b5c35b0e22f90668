/** Goal: each command shows what one would type. Method: the examples against the commands. */
import { expect, test } from 'vitest'
import { commandsOf, EXAMPLES } from './examples.ts'
import { buildProgram } from './program.ts'
import { CapturedIo } from './support/captured-io.ts'

const program = buildProgram(new CapturedIo(), () => {})

test('each command has an example that it understands, and none is for a command that there is not', () => {
  const runnable = commandsOf(program).filter(
    ({ name, command }) => command.commands.length === 0 || name === 'coordinator',
  )
  expect(Object.keys(EXAMPLES).sort()).toEqual(runnable.map(({ name }) => name).sort())
  for (const { name, command } of runnable) {
    const example = EXAMPLES[name] as string
    expect(example.startsWith(`godwit ${name}`), example).toBe(true)
    const known = [...command.options, ...program.options, ...(command.parent?.options ?? [])].flatMap(
      ({ long }) => long ?? [],
    )
    for (const [flag] of example.split(' | ')[0]?.matchAll(/--[\w-]+/g) ?? [])
      expect(known, example).toContain(flag)
  }
})
