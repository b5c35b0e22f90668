/** A scripted coordinator for the tests of the command line, on a real socket: what it answers is a function of the test. */
import { Channel, type Credentials, type Listener, listen, type Peer } from '@godwit/channel'
import {
  type ClientEvent,
  type ClientOp,
  type ClientRequest,
  type EstimateView,
  type FromClient,
  fromClient,
  GodwitError,
  type MigrationReport,
  type MigrationView,
  migrationOptions,
  type Reply,
  type ToClient,
  toErrorReport,
  type WorkloadView,
} from '@godwit/protocol'

/** Gives the reply, throws the error, or gives undefined to stay silent. */
export type Script = (request: ClientRequest, connection: Connection) => unknown

export interface Connection {
  event(workload: string, event: ClientEvent): void
  /** Ends the connection. */
  drop(): void
}

/** Of a secured one. */
export interface Security {
  readonly credentials: Credentials
  admit(peer: Peer): GodwitError | undefined
}

export class FakeCoordinator {
  readonly requests: ClientRequest[] = []
  /** Set before `start`. */
  security: Security | undefined
  script: Script = () => {
    throw new GodwitError('internal', 'the test has no script')
  }
  #listener: Listener | undefined

  /** `port` 0: any free one. */
  async start(port = 0): Promise<void> {
    this.#listener = await listen({
      at: { host: '127.0.0.1', ports: [port] },
      ...(this.security && {
        ...this.security,
        resource: (path: string) =>
          path === '/authority' ? this.security?.credentials.authority : undefined,
      }),
      connected: (socket) => {
        const channel: Channel<FromClient, ToClient> = new Channel<FromClient, ToClient>(socket, fromClient, {
          message: ({ id, request }) => {
            this.requests.push(request)
            try {
              const result = this.script(request, {
                event: (workload, event) => channel.send({ type: 'event', workload, event }),
                drop: () => socket.terminate(),
              })
              if (result !== undefined) channel.send({ type: 'reply', id, result })
            } catch (error) {
              channel.send({ type: 'failed', id, error: toErrorReport(error) })
            }
          },
          closed: () => {},
        })
      },
    })
  }

  get url(): string {
    return `${this.security === undefined ? 'ws' : 'wss'}://127.0.0.1:${this.#listener?.port}`
  }

  /** Ends and comes back at the same address, after `meanwhile`. */
  async restart(meanwhile: () => Promise<void> | void = () => {}): Promise<void> {
    const port = this.#listener?.port
    await this.stop()
    await meanwhile()
    await this.start(port)
  }

  async stop(): Promise<void> {
    await this.#listener?.close()
  }
}

export function reply<Op extends ClientOp>(_op: Op, result: Reply<Op>): Reply<Op> {
  return result
}

export function workloadView(more: Partial<WorkloadView> = {}): WorkloadView {
  return {
    id: 'job',
    program: 'mnist-mlp',
    parameters: {},
    steps: 10,
    status: 'running',
    host: 'a',
    epoch: 1,
    ranges: [{ epoch: 1, host: 'a', fromStep: 0 }],
    acceptedSteps: 0,
    restartPolicy: 'never',
    restarts: 0,
    ...more,
  }
}

export function migrationView(more: Partial<MigrationView> = {}): MigrationView {
  return {
    id: 'm1',
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'setup',
    options: migrationOptions.parse({ downtimeLimitMs: 300, timeoutMs: 1000 }),
    ...more,
  }
}

export function migrationReport(more: Partial<MigrationReport> = {}): MigrationReport {
  return {
    id: 'm1',
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'completed',
    parkPoint: 'boundary',
    step: 512,
    epoch: 2,
    tracker: 'userfaultfd',
    codec: 'raw',
    streams: 1,
    rounds: [
      {
        pages: 2560,
        pageBytes: 2560 * 4096,
        wireBytes: 10_500_000,
        durationMs: 41.25,
        steps: 5,
        codec: 'raw',
      },
      { pages: 100, pageBytes: 409_600, wireBytes: 410_000, durationMs: 1.5, steps: 0, codec: 'raw' },
    ],
    pageBytes: 2660 * 4096,
    wireBytes: 10_910_000,
    deltaBytes: 0,
    maxInFlightBytes: 4_200_000,
    setupMs: 900,
    totalMs: 1234,
    downtimeMs: 12.3,
    downtime: { parkMs: 0.2, finalScanMs: 0.1, finalSendMs: 4, installMs: 7, claimMs: 0, resumeMs: 1 },
    clockErrorMs: 0.05,
    clockOffsetMs: 0,
    predicted: { downtimeMs: 15, totalMs: 1500 },
    parkReason: 'the forecast is within the limit',
    parks: 1,
    claimRoundTripMs: 0.8,
    lostTimeMs: 20,
    ...more,
  }
}

export function estimateView(more: Partial<EstimateView> = {}): EstimateView {
  return {
    workload: 'job',
    from: 'a',
    to: 'b',
    downtimeLimitMs: 300,
    converges: true,
    downtimeMs: 12.3,
    totalMs: 2345,
    rounds: 4,
    parkPoint: 'preApply',
    reason: 'rounds no longer shrink',
    job: {
      arenaPages: 25_600,
      zeroPages: 2560,
      stepPages: 2560,
      watchedPages: 2560,
      watchedSteps: 10,
      stepMs: 100,
      computeMs: 90,
      deltaBytes: 2 ** 20,
      setupMs: 900,
    },
    link: { bytesPerMs: 131_072, roundTripMs: 0.25 },
    ...more,
  }
}
