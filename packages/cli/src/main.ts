/** The process of the command line: signals, pipes that close early, and the exit code. */
import { runCli } from './cli.ts'
import { Interrupted, Terminal } from './io.ts'

const interruption = new AbortController()
let asked = 0
const terminal = new Terminal(process, interruption.signal)

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    terminal.endLive()
    const interrupted = new Interrupted(signal)
    // The first asks for an orderly end. Whoever asks three times wants it without.
    if (++asked > 2) process.exit(interrupted.exitCode)
    interruption.abort(interrupted)
  })
}

// `godwit follow job | head`: the reader has enough, and that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const exitCode = await runCli(process.argv.slice(2), terminal)
terminal.endLive()
process.exit(exitCode)
