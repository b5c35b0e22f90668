/** Goal: one task at a time, in order, whatever becomes of the others. Method: tasks that the test lets go on. */
import { expect, test } from 'vitest'
import { SerialQueue } from './serial-queue.ts'

test("tasks run one after the other, and a failure is its caller's alone", async () => {
  const queue = new SerialQueue()
  const log: string[] = []
  let goOn: () => void = () => {}
  const gate = new Promise<void>((resolve) => {
    goOn = resolve
  })
  const first = queue.run(async () => {
    log.push('first begins')
    await gate
    log.push('first ends')
    throw new Error('of the first')
  })
  const second = queue.run(async () => log.push('second'))
  await Promise.resolve()
  expect(log).toEqual(['first begins'])
  goOn()
  await expect(first).rejects.toThrow('of the first')
  await second
  expect(log).toEqual(['first begins', 'first ends', 'second'])
})
