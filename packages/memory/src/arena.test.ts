/**
 * Goal: tensors land where the layout says, on any thread, and what makes no sense is refused by name.
 * Method: small arenas, the greatest possible one (address space costs nothing), and a second thread.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { GodwitError } from '@godwit/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Arena } from './arena.ts'
import {
  type ArenaLayout,
  arenaBytes,
  arenaDigest,
  attachLayout,
  checkLayout,
  type Dtype,
  layoutDigest,
} from './layout.ts'

function kindOf(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    if (error instanceof GodwitError) return error.kind
    throw error
  }
  return 'nothing thrown'
}

/** Three tensors on five pages. */
function small() {
  const arena = new Arena()
  const weights = arena.tensor('weights', 'float32', [3, 1024])
  const bias = arena.tensor('bias', 'float64', [2])
  const step = arena.tensor('step', 'uint32', [])
  return { arena, weights, bias, step, layout: arena.seal() }
}

describe('arena', () => {
  // Goal: each tensor on pages of its own, in the order of declaration. Method: the layout spelled out.
  test('lays tensors out page by page', () => {
    const { weights, bias, step, layout } = small()
    expect(layout).toEqual({
      tensors: [
        { name: 'weights', dtype: 'float32', shape: [3, 1024], byteOffset: 0, byteLength: 12_288 },
        { name: 'bias', dtype: 'float64', shape: [2], byteOffset: 12_288, byteLength: 16 },
        { name: 'step', dtype: 'uint32', shape: [], byteOffset: 16_384, byteLength: 4 },
      ],
      byteLength: 20_480,
      pageCount: 5,
    })
    expect([weights, bias, step].map((view) => [view.constructor, view.length, view.byteOffset])).toEqual([
      [Float32Array, 3072, 0],
      [Float64Array, 2, 12_288],
      [Uint32Array, 1, 16_384],
    ])
  })

  // Goal: growing neither moves the memory nor ends a view. Method: views from before and after a great growth
  // write, each reads the other's.
  test('views stay valid while the memory grows', () => {
    const arena = new Arena()
    const before = arena.tensor('before', 'int32', [4])
    before[0] = 7
    arena.tensor('large', 'uint8', [256 * 2 ** 20])
    before[1] = 8
    const { bytes, tensors } = attachLayout(arena.memory, arena.seal())
    expect([...(tensors.get('before') ?? [])]).toEqual([7, 8, 0, 0])
    bytes[8] = 9
    expect(before[2]).toBe(9)
  })

  // Goal: nothing has to think of empty memory. Method: an arena without tensors.
  test('an arena without tensors has one page', () => {
    expect(new Arena().seal()).toEqual({ tensors: [], byteLength: 4096, pageCount: 1 })
  })

  // Goal: the promised limit is reached and not passed. Method: 4 GiB less a page, a page, and one byte more.
  test('holds 4 GiB and no more', () => {
    const arena = new Arena()
    expect(kindOf(() => arena.tensor('a', 'uint8', [2 ** 32 + 1]))).toBe('program-invalid')
    arena.tensor('a', 'float64', [2 ** 29 - 512])
    arena.tensor('b', 'uint8', [4096])
    expect(kindOf(() => arena.tensor('c', 'uint8', [1]))).toBe('program-invalid')
    const layout = arena.seal()
    expect(layout.byteLength).toBe(2 ** 32)
    expect(arenaBytes(arena.memory, layout).length).toBe(2 ** 32)
  })

  // Goal: a refused growth is the host's lack, not the program's fault. Method: memory with a low maximum.
  test('a memory that cannot grow is out of memory', () => {
    const arena = new Arena(new WebAssembly.Memory({ shared: true, initial: 1, maximum: 2 }))
    arena.tensor('fits', 'uint8', [100_000])
    expect(kindOf(() => arena.tensor('too large', 'uint8', [100_000]))).toBe('out-of-memory')
    expect(arena.seal().tensors.map(({ name }) => name)).toEqual(['fits']) // The failed one left no trace.
  })

  // Goal: every senseless declaration is named. Method: one of each.
  test.each<[string, string, unknown, unknown]>([
    ['no name', '', 'float32', [1]],
    ['a name that is taken', 'taken', 'float32', [1]],
    ['a name without end', 'x'.repeat(201), 'float32', [1]],
    ['an unknown dtype', 'a', 'float16', [1]],
    ['a dtype from the prototype', 'a', 'constructor', [1]],
    ['a dimension of zero', 'a', 'float32', [2, 0]],
    ['a negative dimension', 'a', 'float32', [-1]],
    ['a fractional dimension', 'a', 'float32', [1.5]],
    ['a dimension that is no number', 'a', 'float32', ['3']],
    ['dimensions whose product overflows', 'a', 'float32', [2 ** 40, 2 ** 40]],
    ['no shape', 'a', 'float32', undefined],
  ])('refuses %s', (_, name, dtype, shape) => {
    const arena = new Arena()
    arena.tensor('taken', 'uint8', [1])
    expect(kindOf(() => arena.tensor(name, dtype as Dtype, shape as number[]))).toBe('program-invalid')
  })

  // Goal: the layout is final. Method: declare after sealing; seal again.
  test('a sealed arena takes no more', () => {
    const { arena, layout } = small()
    expect(kindOf(() => arena.tensor('late', 'uint8', [1]))).toBe('program-invalid')
    expect(arena.seal()).toBe(layout)
    expect(arena.isSealed).toBe(true)
  })
})

describe('layout', () => {
  // Goal: one thread makes the memory, another grows it, the first sees it all. Method: a thread grows and writes;
  // the view is made right after its message, when this thread's own view of the memory may still be the old one.
  test('memory grown by another thread is seen here', async () => {
    const memory = Arena.createMemory()
    const layout: ArenaLayout = {
      tensors: [{ name: 'a', dtype: 'uint8', shape: [1_000_000], byteOffset: 0, byteLength: 1_000_000 }],
      byteLength: 1_003_520,
      pageCount: 245,
    }
    expect(kindOf(() => arenaBytes(memory, layout))).toBe('layout-differs')
    const code = `
      const { parentPort, workerData: memory } = require('node:worker_threads')
      memory.grow(20)
      new Uint8Array(memory.buffer)[999_999] = 42
      parentPort.postMessage('grown')`
    const thread = new Worker(code, { eval: true, workerData: memory })
    const exited = once(thread, 'exit')
    await once(thread, 'message')
    const { bytes, tensors } = attachLayout(memory, layout)
    expect(bytes.length).toBe(layout.byteLength)
    expect(tensors.get('a')?.at(-1)).toBe(42)
    await exited
  })

  // Goal: no layout from outside is believed. Method: a good one, spoilt in one place each.
  test.each<[string, (layout: { tensors: Record<string, unknown>[]; [key: string]: unknown }) => void]>([
    ['tensors that are none', (layout) => Object.assign(layout, { tensors: 'many' })],
    ['a tensor that is none', (layout) => Object.assign(layout.tensors, { 1: null })],
    ['an empty name', (layout) => Object.assign(layout.tensors[0] ?? {}, { name: '' })],
    ['a name twice', (layout) => Object.assign(layout.tensors[0] ?? {}, { name: 'bias' })],
    ['an unknown dtype', (layout) => Object.assign(layout.tensors[0] ?? {}, { dtype: 'float16' })],
    ['another shape', (layout) => Object.assign(layout.tensors[0] ?? {}, { shape: [3, 1023] })],
    ['an endless shape', (layout) => Object.assign(layout.tensors[2] ?? {}, { shape: Array(17).fill(1) })],
    ['a tensor between pages', (layout) => Object.assign(layout.tensors[2] ?? {}, { byteOffset: 16_388 })],
    ['a tensor before the memory', (layout) => Object.assign(layout.tensors[0] ?? {}, { byteOffset: -4096 })],
    ['overlapping tensors', (layout) => Object.assign(layout.tensors[1] ?? {}, { byteOffset: 8192 })],
    ['a tensor past the end', (layout) => Object.assign(layout.tensors[2] ?? {}, { byteOffset: 20_480 })],
    ['half a page', (layout) => Object.assign(layout, { byteLength: 20_481 })],
    ['more than an arena', (layout) => Object.assign(layout, { byteLength: 2 ** 33, pageCount: 2 ** 21 })],
    ['another page count', (layout) => Object.assign(layout, { pageCount: 6 })],
  ])('refuses %s', (_, spoil) => {
    const { arena, layout } = small()
    const spoilt = JSON.parse(JSON.stringify(layout))
    expect(checkLayout(spoilt)).toEqual(layout)
    spoil(spoilt)
    expect(kindOf(() => checkLayout(spoilt))).toBe('bad-message')
    expect(kindOf(() => arenaBytes(arena.memory, spoilt))).toBe('bad-message')
  })

  // Goal: whatever an arena seals is a layout that passes the check. Method: random declarations.
  test('sealed layouts pass the check', () => {
    const memory = Arena.createMemory() // One for all runs: each reserves gigabytes of address space.
    const dtype = fc.constantFrom<Dtype>('float32', 'float64', 'int32', 'uint32', 'uint8')
    const shape = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 3 })
    fc.assert(
      fc.property(fc.array(fc.tuple(dtype, shape), { maxLength: 8 }), (declarations) => {
        const arena = new Arena(memory)
        for (const [index, [type, dims]] of declarations.entries()) arena.tensor(`t${index}`, type, dims)
        const layout = arena.seal()
        expect(checkLayout(structuredClone(layout))).toEqual(layout)
        expect(arenaBytes(memory, layout).length).toBe(layout.pageCount * 4096)
      }),
    )
  })

  // Goal: the layout's digest tells any two layouts apart that must not meet. Method: change one thing at a time.
  test('layoutDigest', () => {
    const digest = (name: string, dtype: Dtype, shape: number[]) => {
      const arena = new Arena()
      arena.tensor(name, dtype, shape)
      return layoutDigest(arena.seal())
    }
    const digests = [
      digest('a', 'float32', [2, 3]),
      digest('b', 'float32', [2, 3]),
      digest('a', 'int32', [2, 3]),
      digest('a', 'float32', [3, 2]),
      digest('a', 'float32', [2, 3, 1024]),
    ]
    expect(new Set(digests).size).toBe(5)
    expect(digest('a', 'float32', [2, 3])).toBe(digests[0])
    expect(digests[0]).toMatch(/^[0-9a-f]{64}$/)
  })

  // Goal: arenaDigest is plain SHA-256 over all bytes, past its chunk too. Method: zeros, whose digests are known
  // from sha256sum (head -c 4096 /dev/zero; head -c 100663296 /dev/zero).
  test('arenaDigest', () => {
    const arena = new Arena()
    const tensor = arena.tensor('a', 'uint8', [96 * 2 ** 20])
    const bytes = arenaBytes(arena.memory, arena.seal())
    expect(arenaDigest(bytes.subarray(0, 4096))).toBe(
      'ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7',
    )
    expect(arenaDigest(bytes)).toBe('425382d5857f04fc49585cabbdef6fc647472ee26f52c54caaaeaad17320b3f8')
    tensor[tensor.length - 1] = 1
    expect(arenaDigest(bytes)).not.toBe('425382d5857f04fc49585cabbdef6fc647472ee26f52c54caaaeaad17320b3f8')
  })
})
