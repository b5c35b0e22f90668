/**
 * `node deploy/evacuate.mjs HOST`: moves the jobs that train on HOST to others, as the operator whose token hosts have. Exit code 1 when one is
 * left.
 */
import { execFileSync } from 'node:child_process'

const [host] = process.argv.slice(2)

function godwit(...args) {
  const all = ['--json', '--token-file', '/run/godwit/operator-token', ...args]
  return JSON.parse(execFileSync('godwit', all, { encoding: 'utf8' }).trim().split('\n').at(-1))
}

function moved(job, targets) {
  for (const target of targets) {
    try {
      godwit('migrate', job, '--to', target)
      console.error(`${job} has moved to ${target}`)
      return true
    } catch {
      // It said why; perhaps another host can.
    }
  }
  return false
}

const jobs = godwit('ps').workloads.filter(({ host: at, status }) => at === host && status === 'running')
const targets = godwit('hosts')
  .hosts.filter(({ name, state }) => name !== host && state === 'connected')
  .map(({ name }) => name)
const left = jobs.filter(({ id }) => !moved(id, targets))
process.exitCode = left.length === 0 ? 0 : 1
