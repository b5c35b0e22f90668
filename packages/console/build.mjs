/**
 * Builds the page into `dist`, and says how large it is: more than it may be is a failure. Where Vite, a development dependency, is not installed the page is left
 * out, and a coordinator serves its API alone.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, gzipSync } from 'node:zlib'

/** Of all that the page loads, as it travels. */
const MAX_GZIPPED_BYTES = 150_000

export async function buildPage() {
  const vite = await installedVite()
  if (vite === undefined)
    return console.log('the console is left out: vite is not installed (npm ci without --omit=dev)')
  await vite.build({ root: fileURLToPath(new URL('.', import.meta.url)), logLevel: 'warn' })
  const bytes = compressed(fileURLToPath(new URL('dist', import.meta.url)))
  console.log(`the console is built: ${(bytes / 1000).toFixed(1)} kB gzipped`)
  if (bytes > MAX_GZIPPED_BYTES)
    throw new Error(`the console may have ${MAX_GZIPPED_BYTES} bytes gzipped, and has ${bytes}`)
}

async function installedVite() {
  try {
    return await import('vite')
  } catch (error) {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined
    throw error
  }
}

/** Beside each file the same one as it travels: the coordinator compresses nothing itself. Returns the bytes of those that are gzipped. */
function compressed(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  let bytes = 0
  for (const { parentPath, name } of files) {
    const file = `${parentPath}/${name}`
    const content = readFileSync(file)
    const gzipped = gzipSync(content, { level: 9 })
    writeFileSync(`${file}.gz`, gzipped)
    writeFileSync(`${file}.br`, brotliCompressSync(content))
    bytes += gzipped.length
  }
  return bytes
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildPage()
