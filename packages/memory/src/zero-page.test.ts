/**
 * Goal: exactly the pages of nothing but zeros are found. Method: one byte that isn't, everywhere it may hide.
 */
import { expect, test } from 'vitest'
import { pagedBytes } from './dirty-tracker.suite.ts'
import { isZeroPage } from './zero-page.ts'

test('a single byte makes a page', () => {
  const { bytes } = pagedBytes(3)
  const image = Buffer.from(bytes.buffer, 0, bytes.length)
  image[4095] = 1
  image[8192] = 1
  expect(isZeroPage(image, 4096)).toBe(true)
  for (let offset = 4096; offset < 8192; offset++) {
    image[offset] = 1
    if (isZeroPage(image, 4096)) expect.fail(`byte ${offset} was overlooked`)
    image[offset] = 0
  }
  expect(isZeroPage(image, 4096)).toBe(true)
  expect(() => isZeroPage(image, 8193)).toThrow()
  expect(() => isZeroPage(image, -1)).toThrow()
})

// Goal: -0 is no zero: its sign travels. Method: a page of zeros with one -0.
test('minus zero is not zero', () => {
  const image = Buffer.alloc(4096)
  image.writeFloatLE(-0, 400)
  expect(isZeroPage(image, 0)).toBe(false)
})
