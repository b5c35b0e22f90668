/**
 * `npm run test:interrupted [-- STAGE...]`: interrupts .ci/run in the middle of each kind of stage, by SIGINT and by SIGTERM, and looks at what
 * is left of it on this machine: processes, containers' processes, network namespaces, devices and bridges, firewall rules, mounts, temporary
 * and half-fetched files, settings of the kernel. Nothing may be. Exit code 1 and a list, where something is.
 *
 * For root, on a machine where nobody else changes networks or mounts meanwhile: that is taken for what was left. By itself, since it takes
 * minutes; run it after a change of .ci/run, scripts/with-docker.sh or test/support/netns.ts.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = join(ROOT, 'node_modules/.cache/godwit')
const LOOK_EVERY_MS = 50
const MIDDLE_WITHIN_MS = 300_000

/** A stage is in its middle once all of these are there: in a new process's command line, or as a new file. */
const WORKER = /worker\/(dist|src)\/main\.m?[jt]s/
const STAGES = {
  'compose starts its engine': { stages: ['compose'], processes: [/^dockerd/] },
  'compose builds its image': { stages: ['compose'], processes: [/npm ci --omit=dev/] },
  compose: { stages: ['compose'], processes: [/worker\/dist\/main\.mjs \/var\/lib\/godwit/] },
  netns: { stages: ['netns'], processes: [WORKER], files: ['/run/netns/godwit-'] },
  faults: { stages: ['faults'], processes: [WORKER] },
  arm64: { stages: ['arm64'], processes: [/qemu-aarch64-static.*agent/] },
  console: { stages: ['console'], processes: [/chromium.*--type=renderer/, WORKER] },
  simulation: { stages: ['simulation'], processes: [/sim\.ts --serve/] },
  fuzz: { stages: ['fuzz'], processes: [/vitest.*fuzz/] },
  'suite-on-lts': { stages: ['suite-on-lts'], processes: [WORKER] },
  // One of each lane.
  together: {
    stages: ['compose', 'netns', 'simulation'],
    processes: [/worker\/dist\/main\.mjs \/var\/lib\/godwit/, /sim\.ts --serve/],
    files: ['/run/netns/godwit-'],
  },
  // The last: it installs packages anew, and what an interruption leaves of them is not enough for the stages above.
  cit: { stages: ['cit'], processes: [/vitest/, WORKER] },
  'cit installs its packages': { stages: ['cit'], processes: [/^npm ci/] },
}

function said(command, ...args) {
  return (spawnSync(command, args, { encoding: 'utf8' }).stdout ?? '')
    .split('\n')
    .filter((line) => line !== '')
}

function listed(folder, prefix = '') {
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(prefix)) : []
}

/** Command lines by process id, without the kernel's own. */
function processes() {
  const found = new Map()
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      if (command !== '') found.set(Number(pid), command)
    } catch {
      // It has just ended.
    }
  }
  return found
}

function isRootOfContainer(mount) {
  return mount.split(' ')[4] === '/' && mount.includes('/gwd-')
}

/** By its mark, or by what a process without one (of a container, a warden) is told. */
function isOfARun([pid, command]) {
  if (/\/tmp\/gw[.d]|^sh -c .* warden |\/var\/lib\/godwit\/|^(dockerd|containerd)/.test(command)) return true
  try {
    const isInContainer = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n').some(isRootOfContainer)
    return isInContainer || readFileSync(`/proc/${pid}/environ`, 'utf8').includes('GODWIT_CI_RUN=')
  } catch {
    return false
  }
}

/** What a run could leave, a line each. */
function machine() {
  const rules = ['iptables', 'ip6tables'].flatMap((tables) =>
    ['filter', 'nat', 'mangle'].flatMap((table) =>
      said(tables, '-t', table, '-S').map((rule) => `${tables} ${table}: ${rule}`),
    ),
  )
  const devices = said('ip', '-o', 'link').map((line) => `device ${line.split(':')[1]?.trim()}`)
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n')
  return [
    ...[...processes()].filter(isOfARun).map(([pid, command]) => `process ${pid} ${command}`),
    ...listed('/run/netns').map((name) => `namespace ${name}`),
    ...listed('/run/docker').map((name) => `/run/docker/${name}`),
    ...['gw.', 'gwd-'].flatMap((prefix) => listed('/tmp', prefix)).map((name) => `/tmp/${name}`),
    ...listed(CACHE, 'staging-').map((name) => join(CACHE, name)),
    ...mounts.map((line) => `mount ${line.split(' ').slice(0, 3).join(' ')}`),
    `ip_forward ${readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim()}`,
    ...devices,
    ...rules,
  ]
}

function isInTheMiddle({ processes: patterns, files = [] }, before) {
  const commands = [...processes()].filter(([pid]) => !before.pids.has(pid)).map(([, command]) => command)
  const isThere = (prefix) => {
    const at = prefix.lastIndexOf('/')
    return listed(prefix.slice(0, at), prefix.slice(at + 1)).length > 0
  }
  return (
    patterns.every((pattern) => commands.some((command) => pattern.test(command))) && files.every(isThere)
  )
}

/** Sentences about what was wrong. */
async function interrupted(stage, signal) {
  const before = { pids: new Set(processes().keys()), machine: machine() }
  // A group of its own, as at a terminal: Ctrl-C goes to all of it.
  const run = spawn('.ci/run', stage.stages, { cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (text) => (output += text))
  const exited = new Promise((resolve) => run.once('exit', resolve))
  const untilMs = performance.now() + MIDDLE_WITHIN_MS
  while (!isInTheMiddle(stage, before)) {
    if (run.exitCode !== null || performance.now() > untilMs) {
      run.kill('SIGTERM')
      await exited
      return [`it did not get there:\n${output.slice(-3000)}`]
    }
    await delay(LOOK_EVERY_MS)
  }
  process.kill(signal === 'SIGINT' ? -run.pid : run.pid, signal)
  const code = await exited
  const left = machine().filter((line) => !before.machine.includes(line))
  const gone = before.machine.filter((line) => !/^process/.test(line) && !machine().includes(line))
  const due = signal === 'SIGINT' ? 130 : 143
  return [
    ...(code === due ? [] : [`it ended with ${code}, not with ${due}:\n${output.slice(-1000)}`]),
    ...left.map((line) => `left: ${line}`),
    ...gone.map((line) => `gone: ${line}`),
  ]
}

const asked = process.argv.slice(2)
const unknown = asked.find((name) => !Object.hasOwn(STAGES, name))
if (unknown !== undefined) {
  console.error(`${unknown} is none of: ${Object.keys(STAGES).join(', ')}`)
  process.exit(2)
}
for (const [name, stage] of Object.entries(STAGES)) {
  if (asked.length > 0 && !asked.includes(name)) continue
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const beganMs = performance.now()
    const wrong = await interrupted(stage, signal)
    const seconds = Math.round((performance.now() - beganMs) / 1000)
    console.log(`${name}, ${signal}: ${wrong.length === 0 ? 'nothing is left' : 'FAILED'} (${seconds} s)`)
    for (const sentence of wrong) console.log(`  ${sentence}`)
    if (wrong.length > 0) process.exitCode = 1
  }
}
console.log('Packages may have been left half installed by the stage cit: npm ci')
