/**
 * Goal: the in-place update is Adam. Method: a second writing of it, straight from the paper's pseudocode with real
 * powers, over several steps of the same gradients; and the page that must stay as it is.
 */
import { expect, test } from 'vitest'
import { ADAM_DEFAULTS, type AdamSettings, adamUpdate, advanceClock } from './adam.ts'
import { fillUniform } from './random.ts'

const settings: AdamSettings = { ...ADAM_DEFAULTS, learningRate: 0.01, weightDecay: 0.1 }

test('agrees with the textbook over ten steps, with and without weight decay', () => {
  for (const weightDecay of [0, 0.1]) {
    const length = 2500
    const tensor = [0, 1, 2].map(() => new Float32Array(length))
    const [value, first, second] = tensor as [Float32Array, Float32Array, Float32Array]
    fillUniform(value, { seed: 1, stream: 0 }, 1)
    const [theta, m, v] = [Float64Array.from(value), new Float64Array(length), new Float64Array(length)]
    const clock = { beta1Power: 1, beta2Power: 1 }
    const gradient = new Float32Array(length)
    for (let step = 1; step <= 10; step++) {
      fillUniform(gradient, { seed: 1, stream: step }, 1)
      advanceClock(clock, settings)
      adamUpdate({ value, first, second }, gradient, clock, { ...settings, weightDecay })
      for (let i = 0; i < length; i++) {
        const g = gradient[i] as number
        m[i] = 0.9 * (m[i] as number) + 0.1 * g
        v[i] = 0.999 * (v[i] as number) + 0.001 * g * g
        const mHat = (m[i] as number) / (1 - 0.9 ** step)
        const vHat = (v[i] as number) / (1 - 0.999 ** step)
        theta[i] = (theta[i] as number) * (1 - 0.01 * weightDecay) - (0.01 * mHat) / (Math.sqrt(vHat) + 1e-8)
      }
    }
    for (let i = 0; i < length; i++) expect(value[i]).toBeCloseTo(theta[i] as number, 5)
  }
})

test('refuses a gradient of another length', () => {
  const zeros = new Float32Array(3)
  const tensor = { value: zeros, first: zeros, second: zeros }
  expect(() =>
    adamUpdate(tensor, new Float32Array(2), { beta1Power: 0.9, beta2Power: 0.9 }, settings),
  ).toThrow(RangeError)
})
