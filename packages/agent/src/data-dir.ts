/**
 * The agent's folder on the host's disk, with one folder in it for each worker: `launch.json`, `worker.sock`,
 * `output.log`, `pid`. Beside them lie `agent.sock` (folder-lock.ts), `cluster` (cluster-membership.ts), `credentials`
 * (host-membership.ts), `checkpoints` (checkpoint-folders.ts) and `bundles` (bundles.ts).
 *
 * What could go wrong with the disk is tried when the agent starts, by writing, and not when the first job arrives.
 * Two things about unix sockets are easily overlooked and checked here: their path must fit into 107 bytes
 * (`sun_path` of unix(7)), and the WebSocket address that carries it knows no escapes.
 *
 * Invariants: every folder of a worker has mode 0700, since whoever can open its socket commands it; of the folders
 * of workers that failed the last `KEPT_FOLDERS` stay, for their logs, and every other one goes with its worker.
 */
import { createHash } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  realpathSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { crashPoint } from '@godwit/channel'
import { GodwitError, type WorkerLaunch } from '@godwit/protocol'
import { BUNDLES_NAME } from './bundles.ts'
import { CHECKPOINTS_NAME } from './checkpoint-folders.ts'
import { CLUSTER_NAME } from './cluster-membership.ts'
import { diskError } from './disk.ts'
import { CREDENTIALS_NAME } from './host-membership.ts'

/** Folders of failed workers that stay. */
export const KEPT_FOLDERS = 10
/** unix(7): 108 bytes with the closing zero; 104 on the BSDs and macOS. */
const MAX_SOCKET_PATH_BYTES = process.platform === 'linux' ? 107 : 103
/** More than a file system keeps inside an inode, so that the probe needs a block. */
const PROBE_BYTES = 8192
/** Of folder-lock.ts. */
export const LOCK_NAME = 'agent.sock'
const LAUNCH_FILE = 'launch.json'
/** What else lies in the folder. */
const RESERVED: readonly string[] = [
  LOCK_NAME,
  CLUSTER_NAME,
  CHECKPOINTS_NAME,
  CREDENTIALS_NAME,
  BUNDLES_NAME,
]
const TAIL_BYTES = 16 * 1024
const TAIL_LINES = 20
const TAIL_CHARACTERS = 2000

export interface WorkerFolder {
  readonly path: string
  readonly socketPath: string
  readonly logPath: string
}

/** By which a worker is known again: said in its hello, and compared with its launch.json. */
export interface Passport {
  readonly workerId: string
  readonly workloadId: string
  readonly epoch: number
  /** SHA-256 of the file's bytes. */
  readonly launchDigest: string
  /** Of the bundle from which it runs. */
  readonly bundle?: string
}

export class DataDir {
  readonly path: string
  /** Oldest first. */
  readonly #kept: string[]

  /** Makes the folder where it is missing and writes to it. Errors: `disk-full`, `bad-arguments`. */
  constructor(path: string) {
    this.path = makeDataFolder(path)
    try {
      this.#probe()
      this.#kept = this.#foldersLeft()
    } catch (error) {
      throw diskError(error, this.path)
    }
  }

  /**
   * Makes the worker's folder and writes `launch.json` to it. What a worker of the same name left goes.
   * Errors: `disk-full`, `bad-arguments` (not writable, or the socket's path would be too long).
   */
  create(launch: WorkerLaunch): WorkerFolder {
    const folder = folderAt(join(this.path, launch.workerId))
    const { path, socketPath } = folder
    checkSocketPath(socketPath)
    if (RESERVED.includes(launch.workerId)) {
      throw new GodwitError('bad-arguments', `${launch.workerId} can't be the name of a worker`)
    }
    try {
      rmSync(path, { recursive: true, force: true })
      mkdirSync(path, { mode: 0o700 })
      crashPoint('before-write:launch')
      writeFileSync(join(path, LAUNCH_FILE), `${JSON.stringify(launch, undefined, 2)}\n`, { mode: 0o600 })
      crashPoint('after-write:launch')
    } catch (error) {
      rmSync(path, { recursive: true, force: true })
      throw diskError(error, this.path)
    }
    this.#forget(path)
    return folder
  }

  /** Folders of workers that are not known to be running, oldest first. */
  left(): { workerId: string; folder: WorkerFolder }[] {
    return this.#kept.map((path) => ({ workerId: basename(path), folder: folderAt(path) }))
  }

  /** The worker of a folder that was left runs after all. */
  takeBack(folder: WorkerFolder): void {
    this.#forget(folder.path)
  }

  /** The worker has ended: its folder goes, or stays for a while when it failed. */
  release(folder: WorkerFolder, failed: boolean): void {
    if (!failed) {
      this.#remove(folder.path)
      return
    }
    this.#kept.push(folder.path)
    while (this.#kept.length > KEPT_FOLDERS) this.#remove(this.#kept.shift() as string)
  }

  #remove(path: string): void {
    try {
      rmSync(path, { recursive: true, force: true })
    } catch {
      // A folder that can't be removed costs space and nothing else.
    }
  }

  #forget(path: string): void {
    const at = this.#kept.indexOf(path)
    if (at >= 0) this.#kept.splice(at, 1)
  }

  #probe(): void {
    const file = join(this.path, `.probe-${process.pid}`)
    try {
      writeFileSync(file, Buffer.alloc(PROBE_BYTES, 1))
    } finally {
      rmSync(file, { force: true })
    }
  }

  /** What an earlier agent left, oldest first. */
  #foldersLeft(): string[] {
    return readdirSync(this.path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(this.path, entry.name))
      .filter(isWorkers)
      .map((path) => ({ path, changedMs: statSync(path).mtimeMs }))
      .sort((a, b) => a.changedMs - b.changedMs)
      .map(({ path }) => path)
  }
}

/** What else lies in the agent's folder, or cannot be looked into, is left alone. */
function isWorkers(path: string): boolean {
  try {
    return statSync(join(path, LAUNCH_FILE), { throwIfNoEntry: false }) !== undefined
  } catch {
    return false
  }
}

function folderAt(path: string): WorkerFolder {
  return { path, socketPath: join(path, 'worker.sock'), logPath: join(path, 'output.log') }
}

/** Errors: `bad-arguments` for a path that no unix socket can have. */
export function checkSocketPath(path: string): void {
  const pathBytes = Buffer.byteLength(path)
  if (pathBytes <= MAX_SOCKET_PATH_BYTES) return
  throw new GodwitError(
    'bad-arguments',
    `${path} has ${pathBytes} bytes and a unix socket's path at most ${MAX_SOCKET_PATH_BYTES}: give a shorter folder with --data-dir`,
  )
}

/** What the launch.json of a worker's folder says of who it is; undefined where it can't be read. */
export function readPassport({ path }: WorkerFolder): Passport | undefined {
  try {
    const bytes = readFileSync(join(path, LAUNCH_FILE))
    const { workerId, workloadId, epoch, bundle } = JSON.parse(bytes.toString()) as Record<string, unknown>
    if (typeof workerId !== 'string' || typeof workloadId !== 'string' || typeof epoch !== 'number')
      return undefined
    const launchDigest = createHash('sha256').update(bytes).digest('hex')
    const from = (bundle as { digest?: unknown } | undefined)?.digest
    return { workerId, workloadId, epoch, launchDigest, ...(typeof from === 'string' && { bundle: from }) }
  } catch {
    return undefined
  }
}

/**
 * Makes the agent's folder where it is missing; gives its real path, since workers are known again by theirs (worker-handle.ts) and a folder may be
 * spelled in many ways. Errors: `disk-full`, `bad-arguments`.
 */
export function makeDataFolder(path: string): string {
  const absolute = resolve(path)
  checkLetters(absolute)
  let real: string
  try {
    makeFolder(absolute)
    real = realpathSync(absolute)
  } catch (error) {
    throw diskError(error, absolute)
  }
  checkLetters(real)
  return real
}

function checkLetters(path: string): void {
  if (/^[\w./@+=,~-]+$/.test(path)) return
  throw new GodwitError(
    'bad-arguments',
    `${path} can't hold the sockets of workers: give --data-dir a path of letters, digits and ./@+=,~_- only`,
  )
}

/** Takes the folder away again if it is empty and was made by this process. */
export function removeUnusedFolder(path: string): void {
  const processBeganMs = Date.now() - performance.now()
  try {
    if (statSync(path).birthtimeMs >= processBeganMs) rmdirSync(path)
  } catch {
    // Something lies in it, or it is gone.
  }
}

/** With its parents. Not by `recursive: true`, which in Node 20 never returns for a folder below /proc. */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

/**
 * The folder of an agent that was told none: `name` is the host's. A folder of that name which is not this user's
 * is refused with `bad-arguments`, since in a temporary folder anybody may have made it.
 */
export function defaultDataDir(temporaryFolder: string, name: string): string {
  const path = join(temporaryFolder, `godwit-${name}`)
  try {
    const stat = lstatSync(path, { throwIfNoEntry: false })
    if (stat === undefined) {
      mkdirSync(path, { mode: 0o700 })
      return path
    }
    if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
      throw new GodwitError(
        'bad-arguments',
        `${path} is not a folder of this user: give another one with --data-dir`,
      )
    }
    chmodSync(path, 0o700)
    return path
  } catch (error) {
    throw diskError(error, path)
  }
}

/** What would move the cursor, or worse, on the terminal of whoever reads it: all control characters but ends of lines and tabs. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant.
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/** The last lines of a log, bounded, without terminal colours and other control characters; empty when there is none. */
export function logTail(path: string): string {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return ''
  }
  try {
    const bytes = Buffer.alloc(TAIL_BYTES)
    const from = Math.max(0, statSync(path).size - TAIL_BYTES)
    const text = bytes.toString('utf8', 0, readSync(file, bytes, 0, TAIL_BYTES, from))
    // A sequence that was cut off stays where it was.
    const lines = stripVTControlCharacters(text).replace(CONTROL, '').trimEnd().split('\n').slice(-TAIL_LINES)
    return lines.join('\n').slice(-TAIL_CHARACTERS)
  } catch {
    return ''
  } finally {
    closeSync(file)
  }
}
