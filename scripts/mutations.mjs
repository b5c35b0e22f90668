/**
 * `npm run mutations [-- NAME]`: breaks a copy of the packages in one known way after the other (test/mutations/), and sees
 * who notices: the simulator within a few hundred seeds, the unit tests beside the code, or nobody, which is a failure.
 *
 * The tree itself is never touched: the copy lies in a temporary folder, with this tree's node_modules behind links.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MUTATIONS } from '../test/mutations/mutations.mjs'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const SEEDS = 300
const FIRST_SEED = 1
const COPIED = [
  'packages',
  'test',
  'scripts',
  'package.json',
  'tsconfig.base.json',
  'tsconfig.json',
  'vitest.config.ts',
]
/** A mutant may run for ever. */
const TIMEOUT_MS = 240_000

const wanted = process.argv[2]
const copy = mkdtempSync(join(tmpdir(), 'godwit-mutations-'))
let holes = 0
try {
  makeCopy()
  const known = checkWhole()
  for (const mutation of MUTATIONS.filter(({ name }) => wanted === undefined || name.includes(wanted))) {
    const caughtBy = tryOut(mutation, known)
    if (caughtBy.length === 0) holes += 1
    console.log(`${caughtBy.length === 0 ? 'NOT CAUGHT' : 'caught'}: ${mutation.name}`)
    for (const by of caughtBy) console.log(`    ${by}`)
  }
} finally {
  rmSync(copy, { recursive: true, force: true })
}
if (holes > 0) process.exitCode = 1

function makeCopy() {
  for (const name of COPIED) {
    cpSync(join(ROOT, name), join(copy, name), {
      recursive: true,
      filter: (path) => !path.includes('node_modules'),
    })
  }
  const modules = join(copy, 'node_modules')
  mkdirSync(join(modules, '@godwit'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@godwit') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const room of readdirSync(join(ROOT, 'packages'))) {
    symlinkSync(join(copy, 'packages', room), join(modules, '@godwit', room))
    const own = join(ROOT, 'packages', room, 'node_modules')
    try {
      if (readdirSync(own).length > 0) symlinkSync(own, join(copy, 'packages', room, 'node_modules'))
    } catch {
      // It has none.
    }
  }
}

/** Unbroken, the tests pass; seeds that fail all the same say nothing of a mutation, and are returned. */
function checkWhole() {
  for (const test of new Set(MUTATIONS.flatMap(({ tests }) => tests))) {
    const [failed] = byTest(test)
    if (failed !== undefined) throw new Error(`it fails without any mutation: ${failed}`)
  }
  const args = [
    '--import',
    'tsx',
    'test/sim/sim.ts',
    '--seeds',
    `${SEEDS}`,
    '--from',
    `${FIRST_SEED}`,
    '--json',
  ]
  const { failures } = JSON.parse(run('node', args).stdout)
  for (const { seed, violation } of failures)
    console.log(`seed ${seed} fails without any mutation: ${violation}`)
  return failures.map(({ seed }) => seed)
}

/** By whom it is caught, a sentence each. */
function tryOut({ file, find, replace, tests }, known) {
  const path = join(copy, file)
  const original = readFileSync(path, 'utf8')
  if (original.split(find).length !== 2) throw new Error(`${file} does not have this once: ${find}`)
  writeFileSync(
    path,
    original.replace(find, () => replace),
  )
  try {
    return [...bySimulator(known), ...tests.flatMap(byTest)]
  } finally {
    writeFileSync(path, original)
  }
}

function bySimulator(known) {
  const args = [
    '--import',
    'tsx',
    'test/sim/sim.ts',
    '--seeds',
    `${SEEDS}`,
    '--from',
    `${FIRST_SEED}`,
    '--first',
    '--except',
    known.join(','),
  ]
  const { status, stdout, stderr } = run('node', args)
  if (status === 0) return []
  const sentence = /^seed \d+: .*/m.exec(stdout + stderr)?.[0] ?? `it ended with ${status}`
  return [`the simulator: ${sentence.slice(0, 160)}`]
}

function byTest(test) {
  const { status, stdout, stderr } = run(join(ROOT, 'node_modules/.bin/vitest'), [
    'run',
    '--root',
    copy,
    test,
  ])
  if (status === 0) return []
  const failed = /FAIL.*> (.*)/.exec(stdout + stderr)?.[1]
  return [`${test}: ${failed ?? `ended with ${status}`}`]
}

function run(command, args) {
  return spawnSync(command, args, {
    cwd: copy,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, NO_COLOR: '1' },
  })
}
