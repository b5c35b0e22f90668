/** The real process of a coordinator, with its pipes, for tests of what it says and how it ends. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterEach } from 'vitest'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))

export interface StartedProcess {
  readonly child: ChildProcess
  /** What it has said so far. */
  readonly output: { readonly out: string; readonly err: string }
}

/** Starts one for each call; all are killed when a test ends, before the hooks that were registered earlier. */
export function useProcesses(): (...args: string[]) => StartedProcess {
  const children: ChildProcess[] = []
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })
  return (...args) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.push(child)
    const output = { out: '', err: '' }
    child.stdout?.on('data', (data) => {
      output.out += data
    })
    child.stderr?.on('data', (data) => {
      output.err += data
    })
    return { child, output }
  }
}
