/** A host for tests: an agent with the fake worker, a folder of its own, and a fake coordinator to talk to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Launch } from '@godwit/protocol'
import { pino } from 'pino'
import { type Agent, type AgentOptions, startAgent } from '../agent.ts'
import { FakeCoordinator } from './fake-coordinator.ts'

export const FAKE_WORKER = fileURLToPath(new URL('./fake-worker.ts', import.meta.url))

export interface Host {
  coordinator: FakeCoordinator
  agent: Agent
  dataDir: string
  launch(workerId: string, more?: Partial<Launch>): void
  stop(): Promise<void>
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'godwit-test-'))
}

export function agentOptions(folder: string, more: Partial<AgentOptions> = {}): AgentOptions {
  writeFileSync(join(folder, 'job.mjs'), 'export default {}\n')
  return {
    coordinatorUrl: 'ws://127.0.0.1:1',
    name: 'alpha',
    address: '127.0.0.1',
    faultDomain: 'rack-a',
    dataDir: join(folder, 'data'),
    programFolders: [folder],
    workerMain: FAKE_WORKER,
    memoryBytes: 1_000_000,
    orphanTimeoutMs: 20_000,
    listenHost: '127.0.0.1',
    insecure: false,
    portRange: [0, 0],
    ...more,
  }
}

export function launchOf(workerId: string, more: Partial<Launch> = {}): Launch {
  return {
    workerId,
    workloadId: 'job',
    program: 'job',
    parameters: {},
    steps: 10,
    mode: 'fresh',
    epoch: 1,
    tracker: 'auto',
    ...more,
  }
}

export async function startHost(
  more: Partial<AgentOptions> = {},
  coordinator = new FakeCoordinator(),
): Promise<Host> {
  const folder = temporaryFolder()
  const coordinatorUrl = await coordinator.start()
  const options = agentOptions(folder, { coordinatorUrl, ...more })
  const agent = await startAgent(options, pino({ level: 'silent' }))
  return {
    coordinator,
    agent,
    dataDir: options.dataDir,
    launch: (workerId, launch) => coordinator.send({ type: 'launch', launch: launchOf(workerId, launch) }),
    stop: async () => {
      await agent.stop()
      await coordinator.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
