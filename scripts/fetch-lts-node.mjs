/**
 * Gets the second Node for the tests (see lts-node.mjs), before they run: npm calls this as `pretest`.
 *
 * Tests that need it skip themselves without it, so not getting it is said in one line and is no failure, except in
 * CI (CI=true), where nobody would notice that they no longer run.
 *
 * Invariant: the folder appears whole, by a rename, and only after its `node` has told the version asked for.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, renameSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LTS_NODE_VERSION, ltsNodeFolder, ltsNodePackage, ltsNodePath } from './lts-node.mjs'
import { inStaging } from './staging.mjs'

const INSTALL_TIMEOUT_MS = 180_000

function fetchLtsNode() {
  const name = ltsNodePackage()
  if (name === undefined) throw new Error(`there is no package of it for ${process.platform} ${process.arch}`)
  const folder = ltsNodeFolder()
  inStaging(dirname(folder), (staging) => {
    install(`${name}@${LTS_NODE_VERSION}`, staging)
    const unpacked = join(staging, 'node_modules', name)
    const { stdout, error } = spawnSync(join(unpacked, 'bin', 'node'), ['--version'], { encoding: 'utf8' })
    if (stdout?.trim() !== `v${LTS_NODE_VERSION}`) {
      throw new Error(`what ${name} brought does not run here${error ? `: ${error.message}` : ''}`)
    }
    moveTo(folder, unpacked)
  })
}

/** Into `prefix`, leaving the project's own node_modules and lock file alone. */
function install(spec, prefix) {
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
  const args = ['install', '--prefix', prefix, ...flags, '--fetch-retries=1', '--loglevel=error', spec]
  const npm = process.env.npm_execpath
  const [command, rest] = npm === undefined ? ['npm', args] : [process.execPath, [npm, ...args]]
  const { status, stderr, error } = spawnSync(command, rest, {
    cwd: prefix,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_TIMEOUT_MS,
  })
  if (status === 0) return
  const code = /^npm error code (\S+)/m.exec(stderr ?? '')?.[1]
  throw new Error(`npm install ${spec}: ${error?.message ?? code ?? 'failed'}`)
}

/** Somebody else may have been faster: theirs is as good. */
function moveTo(folder, unpacked) {
  try {
    renameSync(unpacked, folder)
  } catch (error) {
    if (!existsSync(join(folder, 'bin', 'node'))) throw error
  }
}

if (ltsNodePath() !== undefined) {
  console.log(`node ${LTS_NODE_VERSION} for the tests: here already`)
} else {
  try {
    const startedMs = Date.now()
    fetchLtsNode()
    console.log(`node ${LTS_NODE_VERSION} for the tests: installed in ${Date.now() - startedMs} ms`)
  } catch (error) {
    console.log(
      `node ${LTS_NODE_VERSION} for the tests: not here, tests that need it are skipped (${error.message})`,
    )
    if (process.env.CI === 'true') process.exitCode = 1
  }
}
