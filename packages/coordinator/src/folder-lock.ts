/**
 * One process at a time in a folder: a unix socket in it, on which whoever holds the folder listens.
 *
 * A file with a process id in it would stay behind a process that was killed, and say the wrong thing once the id is
 * another's. A socket is answered by the kernel for as long as its process is there, a stopped one too, and by nobody
 * afterwards: then it is taken away and the folder is free. Between two who find it free at the same instant this does
 * not decide; what must not go wrong then is guarded by the store itself (lmdb-store.ts).
 */
import { chmodSync, rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { GodwitError } from '@godwit/protocol'

const SOCKET_NAME = 'coordinator.sock'
/** unix(7): 108 bytes with the closing zero; 104 on the BSDs and macOS. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103

export interface FolderLock {
  release(): Promise<void>
}

/** Errors: `folder-in-use` when another process holds the folder, `bad-arguments` when its path is too long. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = join(folder, SOCKET_NAME)
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw new GodwitError(
      'bad-arguments',
      `${path} has more than the ${MAX_SOCKET_PATH_BYTES} bytes of a unix socket's path: give a shorter folder with --data-dir`,
    )
  }
  let server = await listenAt(path)
  if (server === undefined) {
    if (await isAnswered(path)) throw held(folder)
    rmSync(path, { force: true })
    server = await listenAt(path)
    if (server === undefined) throw held(folder)
  }
  chmodSync(path, 0o600)
  const holder = server
  holder.unref()
  return { release: () => new Promise((resolve) => holder.close(() => resolve())) }
}

function held(folder: string): GodwitError {
  return new GodwitError(
    'folder-in-use',
    `another coordinator runs on ${folder}: stop it first, or give this one a folder of its own with --data-dir`,
  )
}

/** Undefined when there is a socket already. */
function listenAt(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined)
      else reject(error)
    })
    server.listen(path, () => resolve(server))
  })
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    // Refused, or gone meanwhile. One whose backlog is full is very much there.
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EAGAIN'))
  })
}
