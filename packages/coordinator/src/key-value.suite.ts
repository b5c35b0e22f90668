/**
 * Goal: every store keeps the promises of key-value.ts. Method: one suite, run on each implementation by its own
 * test file; nothing in it knows what is behind the interface.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ABSENT, type Change, type Entry, type KeyValueStore } from './key-value.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (entry: Entry | Change | undefined): string | undefined =>
  entry?.value === undefined ? undefined : new TextDecoder().decode(entry.value)

/** `open` gives an empty store each time. */
export function keyValueSuite(open: () => Promise<KeyValueStore>): void {
  test('what was put is read back, with the revision that the write returned', async () => {
    const store = await open()
    expect(await store.get('a')).toBeUndefined()
    const first = await store.put('a', bytes('one'))
    const second = await store.put('a', bytes('two'))
    expect(second).toBeGreaterThan(first)
    expect(first).toBeGreaterThan(ABSENT)
    const entry = await store.get('a')
    expect([entry?.key, text(entry), entry?.revision]).toEqual(['a', 'two', second])
  })

  test('a reader holds its own copy', async () => {
    const store = await open()
    const value = bytes('one')
    await store.put('a', value)
    value.fill(0)
    const read = await store.get('a')
    read?.value.fill(0)
    expect(text(await store.get('a'))).toBe('one')
    expect(text((await store.list('a'))[0])).toBe('one')
  })

  test('compare-and-set writes only over the revision that was expected', async () => {
    const store = await open()
    const first = await store.compareAndSet('a', ABSENT, bytes('one'))
    expect(await store.compareAndSet('a', ABSENT, bytes('again'))).toBeUndefined()
    if (first === undefined) throw new Error('the first write of a key was refused')
    expect(await store.compareAndSet('b', first, bytes('other key'))).toBeUndefined()
    const second = await store.compareAndSet('a', first, bytes('two'))
    expect(await store.compareAndSet('a', first, bytes('stale'))).toBeUndefined()
    expect(text(await store.get('a'))).toBe('two')
    expect((await store.get('a'))?.revision).toBe(second)
  })

  test('of many who read the same revision one writes, so that no change is lost', async () => {
    const store = await open()
    await store.put('sum', bytes('0'))
    async function increment(): Promise<void> {
      for (;;) {
        const entry = await store.get('sum')
        const next = bytes(String(Number(text(entry)) + 1))
        if ((await store.compareAndSet('sum', entry?.revision ?? ABSENT, next)) !== undefined) return
      }
    }
    await Promise.all(Array.from({ length: 20 }, increment))
    expect(text(await store.get('sum'))).toBe('20')
  })

  test('a commit is made whole or not at all, under one revision', async () => {
    const store = await open()
    const first = await store.put('a', bytes('one'))
    const stale = [
      { key: 'b', value: bytes('new') },
      { key: 'a', value: bytes('two'), expectedRevision: first + 1 },
    ]
    expect(await store.commit(stale)).toBeUndefined()
    expect(await store.get('b')).toBeUndefined()
    const second = await store.commit([
      { key: 'b', value: bytes('new'), expectedRevision: ABSENT },
      { key: 'a', value: undefined, expectedRevision: first },
    ])
    expect(second).toBeGreaterThan(first)
    expect((await store.get('b'))?.revision).toBe(second)
    expect(await store.get('a')).toBeUndefined()
  })

  test('a deleted key is gone, its revision is never seen again, and deleting nothing is none', async () => {
    const store = await open()
    const first = await store.put('a', bytes('one'))
    await store.delete('a')
    await store.delete('never')
    expect(await store.get('a')).toBeUndefined()
    expect(await store.list('')).toEqual([])
    expect(await store.compareAndSet('a', first, bytes('stale'))).toBeUndefined()
    expect(await store.compareAndSet('a', ABSENT, bytes('two'))).toBeGreaterThan(first)
  })

  test('what is asked for at the same instant is done in that order, and each is answered', async () => {
    const store = await open()
    const answers = await Promise.all([
      store.compareAndSet('a', ABSENT, bytes('one')),
      store.compareAndSet('a', ABSENT, bytes('two')),
      store.put('b', bytes('three')),
      store.put('b', bytes('four')),
    ])
    expect(answers.map((revision) => revision !== undefined)).toEqual([true, false, true, true])
    expect(text(await store.get('a'))).toBe('one')
    expect(text(await store.get('b'))).toBe('four')
  })

  test('lists a prefix in the order of keys, and nothing else', async () => {
    const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 12 })
    await fc.assert(
      fc.asyncProperty(keys, fc.string({ maxLength: 2 }), async (all, prefix) => {
        const store = await open()
        for (const key of all) await store.put(key, bytes(key))
        const listed = (await store.list(prefix)).map(({ key }) => key)
        expect(listed).toEqual(all.filter((key) => key.startsWith(prefix)).sort())
      }),
    )
  })

  test('watchers hear each change of their prefix in order, until they stop', async () => {
    const store = await open()
    const heard: string[] = []
    store.watch('a/', () => {
      throw new Error('a listener of no account')
    })
    const revisions: number[] = []
    let enough: () => void = () => {}
    const three = new Promise<void>((resolve) => {
      enough = resolve
    })
    const unwatch = store.watch('a/', (entry) => {
      heard.push(`${entry.key}=${text(entry)}`)
      revisions.push(entry.revision)
      if (heard.length === 3) enough()
    })
    await store.put('a/1', bytes('x'))
    await store.put('b/1', bytes('x'))
    await store.compareAndSet('a/2', ABSENT, bytes('y'))
    await store.compareAndSet('a/2', ABSENT, bytes('refused'))
    await store.delete('a/1')
    await three
    unwatch()
    await store.put('a/1', bytes('unheard'))
    let last: () => void = () => {}
    const told = new Promise<void>((resolve) => {
      last = resolve
    })
    store.watch('a/', () => last())
    await store.put('a/9', bytes('mark'))
    await told
    expect(heard).toEqual(['a/1=x', 'a/2=y', 'a/1=undefined'])
    expect(revisions).toEqual([...revisions].sort((a, b) => a - b))
  })
}
