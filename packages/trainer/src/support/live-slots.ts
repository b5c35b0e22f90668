/**
 * Counts what a piece of work leaves behind in jax-js's heap, which tests need and jax-js does not tell.
 *
 * The backend that a slot belongs to can be had from any array's making: its class is private, but its prototype is
 * reached through the module that exports `getBackend` under a shortened name. We follow every slot made while the
 * work runs through its reference count. This leans on internals of the pinned version, and says so when they move.
 */
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Jax } from '../jax.ts'

interface Backend {
  malloc(size: number, initialData?: Uint8Array): number
  incRef(slot: number): void
  decRef(slot: number): void
}

/** Slots of the wasm heap made while `body` ran, and how many of those are still held after it. */
export async function countLiveSlots(jax: Jax, body: () => unknown): Promise<{ made: number; kept: number }> {
  const backend = await wasmBackend(jax)
  const { malloc, incRef, decRef } = backend
  const references = new Map<number, number>()
  const change = (slot: number, by: number) => {
    const count = references.get(slot)
    if (count !== undefined) references.set(slot, count + by)
  }
  let made = 0
  Object.assign(backend, {
    malloc(size: number, initialData?: Uint8Array) {
      const slot = malloc.call(backend, size, initialData)
      references.set(slot, 1)
      made++
      return slot
    },
    incRef(slot: number) {
      incRef.call(backend, slot)
      change(slot, 1)
    },
    decRef(slot: number) {
      decRef.call(backend, slot)
      change(slot, -1)
    },
  })
  try {
    body()
  } finally {
    Object.assign(backend, { malloc, incRef, decRef })
  }
  return { made, kept: [...references.values()].filter((count) => count > 0).length }
}

async function wasmBackend(jax: Jax): Promise<Backend> {
  jax.defaultDevice('wasm')
  const folder = dirname(fileURLToPath(import.meta.resolve('@jax-js/jax')))
  const file = readdirSync(folder).find((name) => /^backend-.*\.js$/.test(name))
  if (!file) throw new Error('jax-js no longer keeps its backends in a file of their own')
  const exported: Record<string, unknown> = await import(pathToFileURL(join(folder, file)).href)
  const getBackend = Object.values(exported).find(
    (value): value is (device: string) => Backend =>
      typeof value === 'function' && value.name === 'getBackend',
  )
  if (!getBackend) throw new Error('jax-js no longer exports getBackend between its files')
  return getBackend('wasm')
}
