/**
 * Other rooms as child processes: the coordinator, the agent and the worker's check are programs of their own, found
 * by their package's name and never imported.
 */
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type Entry, entryFile, nodeArguments } from '@godwit/launch'
import { GodwitError } from '@godwit/protocol'
import type { Io } from './io.ts'

export type Room = Extract<Entry, 'coordinator/main' | 'agent/main' | 'worker/bundle' | 'worker/check'>

/** Starts a room's program with this Node. */
export function spawnRoom(room: Room, args: readonly string[], options: SpawnOptions): ChildProcess {
  return spawn(process.execPath, [...nodeArguments(entryFile(room)), ...args], options)
}

/**
 * Runs a room's program in our place: its input and output are ours, our signals go to it, `env` is added to its environment. Gives its exit code, or
 * 128 and the signal's number.
 */
export async function runRoom(
  io: Io,
  room: Room,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<number> {
  const child = spawnRoom(room, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  const forward = () => {
    // At a terminal Ctrl-C has reached the child already: a second one could mean "at once" to it.
    const { exitCode } = io.interrupted.reason as { exitCode: number }
    if (exitCode === 130 && process.stdin.isTTY) return
    child.kill(exitCode === 130 ? 'SIGINT' : 'SIGTERM')
  }
  // By which an agent ends and leaves its workers.
  const leave = () => child.kill('SIGUSR2')
  process.on('SIGUSR2', leave)
  if (io.interrupted.aborted) forward()
  io.interrupted.addEventListener('abort', forward)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once('error', (error) =>
        reject(
          new GodwitError('internal', `${room} could not be started: ${error.message}`, { cause: error }),
        ),
      )
      child.once('exit', (code, signal) =>
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
      )
    })
  } finally {
    io.interrupted.removeEventListener('abort', forward)
    process.removeListener('SIGUSR2', leave)
  }
}

/** The file of a program that comes with Godwit; undefined when there is none of this name. */
export function builtInProgram(name: string): string | undefined {
  try {
    return fileURLToPath(import.meta.resolve(`@godwit/trainer/programs/${name}`))
  } catch {
    return undefined
  }
}
