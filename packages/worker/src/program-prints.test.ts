/** Goal: a program's prints come out at once, a flood is cut and said to be, a rehearsal is silent unless it fails. Method: a clock and a sheet of paper. */
import { LIMITS } from '@godwit/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ProgramPrints } from './program-prints.ts'

function paper(isMuted = false) {
  const sheet = { text: '', nowMs: 0 }
  const edge = {
    write: (text: string) => {
      sheet.text += text
    },
    nowMs: () => sheet.nowMs,
  }
  return { sheet, prints: new ProgramPrints(edge, isMuted) }
}

const KIB = 'x'.repeat(1023)

test('what is printed is written at once and as it is', () => {
  const { sheet, prints } = paper()
  for (const text of ['one', ' line\n', '', 'two\n']) prints.print(text)
  expect(sheet.text).toBe('one line\ntwo\n')
})

test('a flood is cut where it begins, and how much of it once it is over', () => {
  const { sheet, prints } = paper()
  for (let line = 0; line < 300; line++) prints.print(`${KIB}\n`)
  const lines = sheet.text.trimEnd().split('\n')
  expect(lines).toHaveLength(257)
  expect(lines.at(-1)).toBe('[godwit: more than 64 KiB a second: what follows is cut]')
  sheet.nowMs = 1000
  prints.print('half a ')
  prints.print('line\n')
  expect(sheet.text).toMatch(/cut\]\n\[godwit: 45056 bytes were cut here\]\nhalf a line\n$/)
})

test('a note begins a line of its own', () => {
  const { sheet, prints } = paper()
  prints.print('no end')
  prints.print('x'.repeat(LIMITS.maxPrintedBurstBytes))
  expect(sheet.text).toBe('no end\n[godwit: more than 64 KiB a second: what follows is cut]\n')
})

test('over any time no more than the rate and a burst is written', () => {
  const print = fc.record({ afterMs: fc.nat(500), bytes: fc.nat(100_000) })
  fc.assert(
    fc.property(fc.array(print, { maxLength: 60 }), (all) => {
      const { sheet, prints } = paper()
      let notes = 0
      for (const { afterMs, bytes } of all) {
        sheet.nowMs += afterMs
        prints.print('y'.repeat(bytes))
        notes += 100
      }
      const allowed =
        LIMITS.maxPrintedBurstBytes + (sheet.nowMs * LIMITS.maxPrintedBytesPerSecond) / 1000 + notes
      expect(sheet.text.length).toBeLessThanOrEqual(allowed)
    }),
  )
})

test('a rehearsal prints nothing; where it fails the end of it is shown', () => {
  const good = paper(true)
  good.prints.print('rehearsed\n')
  good.prints.begin()
  good.prints.print('real\n')
  expect(good.sheet.text).toBe('real\n')
  const bad = paper(true)
  bad.prints.print(`${'z'.repeat(9999)}last words`)
  bad.prints.reveal()
  expect(bad.sheet.text).toMatch(/^z+last words\n$/)
  expect(bad.sheet.text.length).toBeLessThan(5000)
})
