/**
 * The cluster of docker-compose.yml, started and ended as its user would, and reached from outside.
 *
 * Its networks are internal, so no port of it can be published. A port of this machine leads to the coordinator instead: for each
 * connection a process in the coordinator's container passes the bytes on (`docker exec`). What goes through is TLS from end to end,
 * and it works wherever the engine runs, also in a virtual machine.
 *
 * Invariant: after `end` no container, network or volume of it is left. The image stays, as after any build.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PASS_ON =
  'const s = require("node:net").connect(7070, "127.0.0.1"); process.stdin.pipe(s).pipe(process.stdout); s.on("error", () => process.exit(1))'
const run = promisify(execFile)

/** Undefined where `docker compose` works; else a sentence that says what to do. */
export async function whyNoDocker(): Promise<string | undefined> {
  const { GODWIT_NO_DOCKER: why } = process.env
  if (why !== undefined) return why
  try {
    await run('docker', ['info'])
    await run('docker', ['compose', 'version'])
    return undefined
  } catch {
    return 'this needs a docker engine and docker compose: start one and try again; on Debian root may put "scripts/with-docker.sh" before the command, which brings one for as long as it runs'
  }
}

export interface StackOptions {
  readonly project: string
  /** For docker-compose.yml. */
  readonly env?: NodeJS.ProcessEnv
}

export class Stack {
  readonly project: string
  readonly #env: NodeJS.ProcessEnv
  readonly #passing = new Set<ChildProcess>()
  #server: Server | undefined
  #url = ''
  #token = ''

  constructor({ project, env = {} }: StackOptions) {
    this.project = project
    this.#env = { ...process.env, COMPOSE_PROGRESS: 'quiet', ...env, COMPOSE_PROJECT_NAME: project }
  }

  /** Of the coordinator, from here. */
  get url(): string {
    return this.#url
  }

  /** The admin's. */
  get token(): string {
    return this.#token
  }

  /** Settles when all is healthy. Throws with what compose said, and what the containers did. */
  async start(): Promise<void> {
    try {
      await this.compose('up', '--detach', '--wait')
    } catch (error) {
      const logs = await this.compose('logs', '--no-color', '--tail', '20').catch(() => '')
      throw new Error(`${(error as Error).message}\n${logs}`, { cause: error })
    }
    this.#token = (await this.inside('coordinator', 'cat', '/var/lib/godwit/admin-token')).trim()
    this.#server = createServer((socket) => this.#pass(socket))
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#url = `wss://127.0.0.1:${(this.#server.address() as { port: number }).port}`
  }

  async end(): Promise<void> {
    this.#server?.close()
    for (const child of this.#passing) child.kill('SIGKILL')
    await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '0')
  }

  /** What it printed. Throws with what it said of its failure. */
  async compose(...args: string[]): Promise<string> {
    return this.docker('compose', ...args)
  }

  async docker(...args: string[]): Promise<string> {
    // In a session of its own: Ctrl-C at a terminal is for whoever started the stack, and is obeyed in order.
    return output('docker', args, { cwd: ROOT, env: this.#env, detached: true })
  }

  /** Runs a command in a service's container. */
  async inside(service: string, ...command: string[]): Promise<string> {
    return this.docker('exec', this.container(service), ...command)
  }

  /** Has the services as this file of the project says it on top of docker-compose.yml. Settles when all is healthy again. */
  async addFile(file: string): Promise<void> {
    this.#env.COMPOSE_FILE = `docker-compose.yml:${file}`
    await this.compose('up', '--detach', '--wait')
  }

  /** The name of a service's container. */
  container(service: string): string {
    return `${this.project}-${service}-1`
  }

  #pass(socket: Socket): void {
    const args = ['exec', '--interactive', this.container('coordinator'), 'node', '-e', PASS_ON]
    const stdio = ['pipe', 'pipe', 'ignore'] as const
    const child = spawn('docker', args, { cwd: ROOT, env: this.#env, detached: true, stdio: [...stdio] })
    const { stdin, stdout } = child
    if (stdin === null || stdout === null) throw new Error('bug: no pipes')
    this.#passing.add(child)
    const over = (): void => {
      this.#passing.delete(child)
      child.kill('SIGKILL')
      socket.destroy()
    }
    child.once('error', over)
    child.once('exit', over)
    // Either end may go away at any time: the other is told by its connection's end.
    Promise.all([pipeline(socket, stdin), pipeline(stdout, socket)]).then(over, over)
  }
}

async function output(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; detached?: boolean } = {},
): Promise<string> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  if (code === 0) return out
  throw new Error(`${command} ${args.join(' ')} gave ${code}: ${(err || out).trim().slice(-3000)}`)
}
