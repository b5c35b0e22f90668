/** Whole command lines in this process, for tests: against a scripted coordinator, which is new for each test, and a captured terminal. */
import { FakeCoordinator, type Script } from '@godwit/client/testing'
import type { ClientEvent, Output } from '@godwit/protocol'
import { afterEach, beforeEach } from 'vitest'
import { runCli } from '../cli.ts'
import { CapturedIo } from './captured-io.ts'

interface Ran {
  readonly exitCode: number
  readonly stdout: string[]
  readonly stderr: string[]
  readonly lives: string[]
  /** All that was printed, as one value. */
  json(): ReturnType<typeof JSON.parse>
}

export class CommandLine {
  #coordinator = new FakeCoordinator()

  /** Called at the head of a file. */
  constructor() {
    beforeEach(async () => {
      this.#coordinator = new FakeCoordinator()
      await this.#coordinator.start()
    })
    afterEach(() => this.#coordinator.stop())
  }

  get coordinator(): FakeCoordinator {
    return this.#coordinator
  }

  /** What was asked of it, in its order. */
  get requests(): FakeCoordinator['requests'] {
    return this.#coordinator.requests
  }

  /** What `godwit LINE` does; without a script the one of the line before answers. */
  readonly godwit = async (line: string, script?: Script, io = new CapturedIo()): Promise<Ran> => {
    if (script !== undefined) this.#coordinator.script = script
    const exitCode = await runCli(['--coordinator', this.#coordinator.url, ...line.split(' ')], io)
    const { stdout, stderr, lives } = io
    return { exitCode, stdout, stderr, lives, json: () => JSON.parse(stdout.join('\n')) }
  }
}

/** The steps from `from` to before `to`, as they are told. */
export function stepsEvent(from: number, to: number, epoch = 1): ClientEvent {
  const outputs: Output[] = []
  for (let step = from; step < to; step++) outputs.push({ step, epoch, loss: 1 / (step + 1), stepMs: 9 })
  return { kind: 'steps', outputs }
}
