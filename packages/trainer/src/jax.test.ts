/**
 * Goal: the assumptions about jax-js that bit-exactness stands on still hold; each test here is meant to fail when a
 * new release moves them. Method: watch what jax-js asks WebAssembly before our guards see it, and compile kernels
 * that a fused multiply-add would have shortened.
 */
import { expect, test } from 'vitest'
import {
  type JaxArray,
  loadJax,
  RELAXED_MADD_PROBE,
  readFloats,
  readScalar,
  relaxedProbesRefused,
  toJax,
} from './jax.ts'
import { countLiveSlots } from './support/live-slots.ts'
import { wasm } from './webassembly.ts'

const passedOn: string[] = []
const compiled: Uint8Array[] = []
const { validate: originalValidate, Module: OriginalModule } = wasm
wasm.validate = (bytes) => {
  passedOn.push(Buffer.from(bytes).toString('hex'))
  return originalValidate(bytes)
}
wasm.Module = class extends OriginalModule {
  constructor(bytes: Uint8Array<ArrayBuffer>) {
    compiled.push(bytes.slice())
    super(bytes)
  }
}
const jax = await loadJax()

test('jax-js asks for relaxed SIMD once, by the probe we know, and by no other', () => {
  const { numpy: np } = jax
  const matrix = toJax(
    jax,
    Float32Array.from({ length: 64 * 64 }, (_, i) => i % 7),
    [64, 64],
  )
  readFloats(np.matmul(matrix.ref, matrix))
  expect(relaxedProbesRefused()).toBe(1)
  expect(passedOn).toEqual([])
})

test('no kernel that was compiled holds a relaxed instruction', () => {
  expect(holdsRelaxed(Buffer.from(RELAXED_MADD_PROBE, 'hex'))).toBe(true)
  expect(compiled.length).toBeGreaterThan(1)
  for (const bytes of compiled) expect(holdsRelaxed(bytes)).toBe(false)
})

/** Looks for 0xfd and one of 0x100 to 0x113 as LEB128: the opcodes of the relaxed SIMD proposal. */
function holdsRelaxed(bytes: Uint8Array): boolean {
  return bytes.some((byte, i) => {
    const [low = 0, high] = bytes.subarray(i + 1, i + 3)
    return byte === 0xfd && low >= 0x80 && low <= 0x93 && high === 0x02
  })
}

test('the guards leave the process as it was, but for a Worker that refuses', () => {
  expect(jax.defaultDevice()).toBe('wasm')
  const { Worker } = globalThis as unknown as { Worker: new () => unknown }
  expect(() => new Worker()).toThrow('computes alone')
  if ('navigator' in globalThis) {
    const { navigator } = globalThis as unknown as { navigator: { hardwareConcurrency: number } }
    expect(navigator.hardwareConcurrency).toBeGreaterThan(0)
  }
  expect(originalValidate(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))).toBe(true)
  expect(wasm.validate(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))).toBe(true)
})

test('everything runs at once: a result can be read in the tick that asked for it', () => {
  const product = jax.jit((x: JaxArray) => x.ref.mul(x).sum())
  expect(readScalar(product(toJax(jax, Float32Array.of(1, 2, 3), [3])))).toBe(14)
})

test('an array made from paged memory is a copy, and one read is a copy', () => {
  const shared = new Float32Array(new SharedArrayBuffer(4096 * 4)).map((_, i) => i)
  const paged = new Float32Array(new SharedArrayBuffer(4096 * 4))
  paged.set(shared)
  const array = toJax(jax, paged, [64, 64])
  paged.fill(0)
  const read = readFloats(array.ref)
  expect(read).toEqual(shared)
  read.fill(1)
  expect(readFloats(array)).toEqual(shared)
})

test('the leak counter sees a leak', async () => {
  const values = Float32Array.of(1, 2, 3)
  const leak = () => toJax(jax, values, [3])
  expect(await countLiveSlots(jax, leak)).toEqual({ made: 1, kept: 1 })
  expect(await countLiveSlots(jax, () => readFloats(leak()))).toEqual({ made: 1, kept: 0 })
})
