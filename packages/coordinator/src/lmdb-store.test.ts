/**
 * Goal: what the durable store has answered is there again, whatever ended the process before, and what it can't do is said in words.
 * Method: the suite of every store, then the file itself: reopened, held by another process, cut off, overwritten, on a full disk.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'
import { keyValueSuite } from './key-value.suite.ts'
import { LmdbStore } from './lmdb-store.ts'

const STORE = new URL('./lmdb-store.ts', import.meta.url).href
/** Loading takes seconds on a busy machine. */
const SLOW = { timeout: 60_000 }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const folders: string[] = []
const stores: LmdbStore[] = []
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'godwit-store-'))
  folders.push(folder)
  return folder
}

async function opened(folder = newFolder()): Promise<LmdbStore> {
  const store = await LmdbStore.open(folder)
  stores.push(store)
  return store
}

describe('the store on disk', () => {
  keyValueSuite(() => opened())

  test('a store that is opened again has everything, and its revisions go on', async () => {
    const folder = newFolder()
    const store = await opened(folder)
    const value = new Uint8Array(300_000).map((_, index) => index % 251)
    await store.put('a/big', value)
    await store.put('a/empty', new Uint8Array())
    await store.put('a/gone', bytes('x'))
    const last = await store.commit([{ key: 'a/gone', value: undefined }])
    await store.close()
    await expect(store.get('a/big')).rejects.toMatchObject({ kind: 'store-unusable' })
    const again = await opened(folder)
    expect((await again.list('a/')).map(({ key }) => key)).toEqual(['a/big', 'a/empty'])
    expect((await again.get('a/big'))?.value).toEqual(value)
    expect(await again.put('b', bytes('y'))).toBeGreaterThan(last ?? Number.POSITIVE_INFINITY)
  })

  test('what was answered survives SIGKILL, and the folder is free afterwards', SLOW, async () => {
    const folder = newFolder()
    const script = `
      const { LmdbStore } = await import(${JSON.stringify(STORE)})
      const store = await LmdbStore.open(${JSON.stringify(folder)})
      for (let count = 1; ; count++) {
        await store.put('count', Buffer.from(String(count)))
        process.stdout.write(count + '\\n')
      }`
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (data) => {
        out += data
        if (out.length > 200) resolve()
      })
    })
    await expect(LmdbStore.open(folder)).rejects.toMatchObject({
      kind: 'folder-in-use',
      message: expect.stringContaining('--data-dir'),
    })
    child.kill('SIGKILL')
    await once(child, 'close')
    const store = await opened(folder)
    const stored = Number(Buffer.from((await store.get('count'))?.value ?? []).toString())
    expect(stored).toBeGreaterThanOrEqual(Number(out.trim().split('\n').at(-1)))
  })

  test('a folder has one store at a time, in this process too', async () => {
    const store = await opened()
    await expect(LmdbStore.open(store.folder)).rejects.toMatchObject({ kind: 'folder-in-use' })
    await store.put('a', bytes('x'))
  })

  test('of two that both found the folder free the second may write, and the first is told', async () => {
    const first = await opened()
    await first.put('a', bytes('one'))
    rmSync(join(first.folder, 'coordinator.sock'))
    const second = await opened(first.folder)
    await expect(first.put('a', bytes('late'))).rejects.toMatchObject({ kind: 'folder-in-use' })
    await expect(first.get('a')).rejects.toMatchObject({ kind: 'folder-in-use' })
    expect(Buffer.from((await second.get('a'))?.value ?? []).toString()).toBe('one')
  })

  const DAMAGE: Record<string, (file: string) => void> = {
    'cut off': (file) => truncateSync(file, statSync(file).size - 4096),
    'cut off in its header': (file) => truncateSync(file, 1000),
    'another file': (file) => writeFileSync(file, 'this is no store'),
    'overwritten behind its header': (file) => {
      const content = readFileSync(file)
      writeFileSync(file, content.fill(7, 2 * 4096))
    },
  }
  for (const [name, damage] of Object.entries(DAMAGE)) {
    test(`a file that is ${name} is an error, not the end of this process`, SLOW, async () => {
      const folder = newFolder()
      const store = await opened(folder)
      for (let index = 0; index < 20; index++) await store.put(`a/${index}`, new Uint8Array(5000))
      await store.close()
      damage(join(folder, 'data.mdb'))
      await expect(LmdbStore.open(folder)).rejects.toMatchObject({ kind: 'store-unusable' })
    })
  }

  test('a value that is not the one that was written is an error', async () => {
    const folder = newFolder()
    const store = await opened(folder)
    await store.put('a', bytes('a value to be found'))
    await store.close()
    const file = join(folder, 'data.mdb')
    const content = readFileSync(file)
    for (;;) {
      const at = content.indexOf('to be found')
      if (at < 0) break
      content.write('to be lost!', at)
    }
    writeFileSync(file, content)
    const again = await opened(folder)
    await expect(again.get('a')).rejects.toMatchObject({ kind: 'store-unusable' })
    await expect(again.list('')).rejects.toMatchObject({ kind: 'store-unusable' })
  })

  const mount = ['unshare', ['-Urm', 'mount', '-t', 'tmpfs', 'none', '/mnt']] as const
  const canMount = spawnSync(...mount).status === 0
  if (!canMount && process.env.CI === 'true') console.error('no disk of its own can be mounted here')
  test.skipIf(!canMount)('a full disk is said, leaves nothing half-written, and can be freed', SLOW, () => {
    const folder = newFolder()
    const script = `
      const { LmdbStore } = await import(${JSON.stringify(STORE)})
      const store = await LmdbStore.open(${JSON.stringify(`${folder}/store`)})
      const told = []
      for (let index = 0; index < 40; index++) {
        const writes = [{ key: 'big/' + index, value: new Uint8Array(100_000) }, { key: 'small/' + index, value: new Uint8Array(1) }]
        await store.commit(writes).then(() => told.push('ok'), (error) => told.push(error.kind))
      }
      const [big, small] = [await store.list('big/'), await store.list('small/')]
      for (const { key } of big.slice(0, 5)) await store.delete(key)
      await store.put('big/again', new Uint8Array(100_000))
      await store.close()
      const again = await LmdbStore.open(${JSON.stringify(`${folder}/store`)})
      const kept = (await again.list('big/')).length
      await again.close()
      console.log(JSON.stringify({ told, big: big.length, small: small.length, kept }))`
    const command = `mount -t tmpfs -o size=1m none ${folder} && exec "$@"`
    const node = [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script]
    const { stdout, stderr } = spawnSync('unshare', ['-Urm', 'sh', '-c', command, 'sh', ...node], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
    })
    expect(stderr.toString()).toBe('')
    const { told, big, small, kept } = JSON.parse(stdout.toString())
    expect(new Set(told)).toEqual(new Set(['ok', 'disk-full']))
    expect(told.filter((answer: string) => answer === 'ok')).toHaveLength(big)
    expect(small).toBe(big)
    expect(kept).toBe(big - 4)
  })
})
