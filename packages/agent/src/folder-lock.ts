/**
 * One agent a data folder: two would both adopt its workers, and each would tell the other's as its own.
 *
 * A file that says "taken" outlives a holder that was killed, and a process id in it may be somebody else's by then. A
 * listening unix socket is better: the kernel stops answering for it the instant its process is gone, however it went,
 * and goes on answering for one that is merely stopped. Only the socket's name stays behind, and is taken away.
 *
 * Two agents that find the same dead name must not take away each other's new one. So the name is first moved aside, and
 * put back when what was moved is not the socket that had been found dead.
 *
 * Not kept apart are agents on two machines that share the folder over a network: their kernels do not know of each other.
 */
import { type BigIntStats, linkSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { GodwitError } from '@godwit/protocol'
import { checkSocketPath, LOCK_NAME } from './data-dir.ts'
import { diskError } from './disk.ts'

/** Others may take the name between our looking and our taking, and die; not so often. */
const MAX_ATTEMPTS = 10

export interface FolderLock {
  /** Settles when another agent may have the folder. */
  release(): Promise<void>
}

/** Errors: `folder-in-use` while another agent holds it, and those of the disk. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, LOCK_NAME)
  checkSocketPath(path)
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const server = await listenAt(path, folder)
    if (server !== undefined)
      return { release: () => new Promise((resolve) => server.close(() => resolve())) }
    const found = fileAt(path)
    if (found === undefined) continue
    if (await somebodyAnswers(path)) break
    removeDead(path, found)
  }
  throw new GodwitError(
    'folder-in-use',
    `another agent works in ${folder}: end that one first, or give this one another folder with --data-dir`,
  )
}

/** Undefined when the name is taken. */
function listenAt(path: string, folder: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(diskError(error, folder))
    })
    server.listen(path, () => {
      server.on('error', () => {})
      server.unref()
      resolve(server)
    })
  })
}

/** A holder that is stopped, or too busy to accept, is one all the same. */
function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'),
    )
  })
}

function removeDead(path: string, dead: BigIntStats): void {
  const aside = `${path}.${process.pid}`
  try {
    renameSync(path, aside)
  } catch {
    return
  }
  const moved = fileAt(aside)
  const isDead = moved?.ino === dead.ino && moved.birthtimeNs === dead.birthtimeNs
  try {
    if (!isDead) linkSync(aside, path)
  } catch {
    // A third one has taken the name by now: it holds the folder.
  }
  rmSync(aside, { force: true })
}

function fileAt(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })
}
