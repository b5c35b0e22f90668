/**
 * `install-packages.mjs WHAT...`: gets what tests and engine need of the machine. `netns`: `ip` and `tc`, `iptables`, and a C compiler for
 * the delay of links. `docker`: an engine and what scripts/with-docker.sh does with it. `browser`: Chromium and letters for it.
 *
 * Installs Debian's packages, as root; anybody else is told what is missing. Without them the tests skip themselves and say so, so that
 * is no failure here; in CI it is one there.
 */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const INSTALL_TIMEOUT_MS = 240_000
/** Which package brings which command, on Debian and what comes of it. */
const PACKAGES = {
  netns: { ip: ['iproute2'], tc: ['iproute2'], 'iptables-restore': ['iptables'], cc: ['gcc', 'libc6-dev'] },
  docker: {
    dockerd: ['docker.io'],
    ip: ['iproute2'],
    iptables: ['iptables'],
    busybox: ['busybox-static'],
    nsenter: ['util-linux'],
  },
  browser: { chromium: ['chromium', 'fonts-dejavu-core'] },
}

const asked = process.argv.slice(2)
const unknown = asked.find((what) => !Object.hasOwn(PACKAGES, what))
if (asked.length === 0 || unknown !== undefined) {
  console.error(`usage: install-packages.mjs WHAT...: ${Object.keys(PACKAGES).join(', ')}`)
  process.exit(2)
}
const missing = [
  ...new Set(
    asked
      .flatMap((what) => Object.entries(PACKAGES[what]))
      .filter(([command]) => !isHere(command))
      .flatMap(([, packages]) => packages),
  ),
]
if (missing.length > 0) {
  const why =
    process.geteuid?.() !== 0 ? 'only root may' : isHere('apt-get') ? install(missing) : 'no apt-get'
  console.log(
    why === undefined
      ? `installed: ${missing.join(' ')}`
      : `not here: ${missing.join(' ')} (to install: ${why})`,
  )
}
function isHere(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Why not; undefined once they are there. */
function install(packages) {
  for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...packages]]) {
    const { status, stderr, error } = spawnSync('apt-get', ['-qq', ...args], {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: INSTALL_TIMEOUT_MS,
    })
    if (status !== 0) return `apt-get ${args[0]}: ${error?.message ?? stderr.trim().split('\n').at(-1)}`
  }
  return undefined
}
