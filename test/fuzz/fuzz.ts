/**
 * `npm run fuzz`: every decoder of bytes from outside a process, fed what is almost right. `-- --runs N` inputs for each decoder of the
 * network (100,000, as in CI; those of files and text get a share), `--seed S` as printed by a run that failed; what else is given goes to
 * vitest, e.g. the name of a file.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: { runs: { type: 'string' }, seed: { type: 'string' } },
  allowPositionals: true,
})
if (values.runs !== undefined && !/^[1-9]\d*$/.test(values.runs)) {
  console.error(`--runs ${values.runs}: write a number of inputs`)
  process.exit(2)
}
const root = fileURLToPath(new URL('../..', import.meta.url))
const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.fuzz.config.ts', ...positionals]
const child = spawn(process.execPath, vitest, {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    ...(values.runs !== undefined && { GODWIT_FUZZ_RUNS: values.runs }),
    ...(values.seed !== undefined && { GODWIT_SEED: values.seed }),
  },
})
child.once('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 1
})
