/** Goal: what is said of the machine is what lay between two readings, and always within bounds. Method: texts as proc(5) has them, and this machine's own. */
import { existsSync } from 'node:fs'
import { utilisation } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Reading, readingOf, UtilisationReports, utilisationOf } from './utilisation.ts'

const texts = (user: number, idle: number, received: number, sent: number) => ({
  stat: `cpu  ${user} 0 0 ${idle} 0 0 0 0 999 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 1\n`,
  meminfo: 'MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n',
  net: `Inter-|   Receive  |  Transmit\n face |bytes |bytes\n    lo: 777 0 0 0 0 0 0 0 777 0\n  eth0: ${received} 1 0 0 0 0 0 0 ${sent} 1 0 0 0 0 0 0\n`,
})

test('processors, memory and network between two readings; the machine talking to itself is not counted', () => {
  const before = readingOf(texts(100, 900, 1_000, 2_000), 0) as Reading
  const after = readingOf(texts(175, 925, 51_000, 12_000), 5_000) as Reading
  expect(utilisationOf(before, after)).toEqual({
    cpu: 0.75,
    usedMemoryBytes: 600 * 1024,
    totalMemoryBytes: 1000 * 1024,
    receivedBytesPerSecond: 10_000,
    sentBytesPerSecond: 2_000,
  })
})

test('what is no such text gives no reading', () => {
  expect(readingOf({ ...texts(1, 1, 1, 1), stat: '' }, 0)).toBeUndefined()
  expect(readingOf({ ...texts(1, 1, 1, 1), meminfo: 'MemTotal: many kB' }, 0)).toBeUndefined()
})

test('whatever is read, what is said is within what the protocol allows', () => {
  const number = fc.double({ min: -1e300, max: 1e300, noNaN: true })
  const reading = fc.record({
    ...{ atMs: number, busyTicks: number, ticks: number, receivedBytes: number, sentBytes: number },
    usedMemoryBytes: fc.double({ min: 0, max: 1e300, noNaN: true }),
    totalMemoryBytes: fc.double({ min: 0, max: 1e300, noNaN: true }),
  })
  fc.assert(
    fc.property(reading, reading, (before, after) => {
      expect(utilisation.safeParse(utilisationOf(before, after)).success).toBe(true)
    }),
  )
})

test.skipIf(!existsSync('/proc/stat'))('this machine is reported at once', () => {
  const said: unknown[] = []
  const reports = new UtilisationReports((each) => said.push(utilisation.parse(each)))
  reports.start()
  reports.close()
  expect(said).toHaveLength(1)
})
