/**
 * The process of the command line: signals, pipes that close early, and the exit code.
 *
 * Invariant: a command that ends by itself has said everything. A pipe takes 64 KiB at once and the rest waits in this
 * process, which must not exit before. Whoever interrupts wants no more of it.
 */
import { runCli } from './cli.ts'
import { Interrupted, Terminal } from './io.ts'
import { allowColours, wantsColours } from './render/colour.ts'

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

// Progress is drawn on stderr: in colour where that is for eyes as well.
const isForEyes = wantsColours(process.stdout, process.env) && wantsColours(process.stderr, process.env)
allowColours(isForEyes && !process.argv.includes('--json'))

let exitCode = await runCli(process.argv.slice(2), terminal)
terminal.endLive()
if (!interruption.signal.aborted) {
  await Promise.all([written(process.stdout), written(process.stderr)])
  if (interruption.signal.aborted) exitCode = (interruption.signal.reason as Interrupted).exitCode
}
process.exit(exitCode)

/** Settles when all that was written has been taken, or when nobody wants it any more. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => {
    interruption.signal.addEventListener('abort', () => resolve())
    stream.write('', () => resolve())
  })
}
