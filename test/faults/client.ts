/**
 * A client of the coordinator for a test that asks it a hundred times: a connection for each question, so that none is lost with
 * one. The command line would do, and takes half a second for each.
 */
import { CoordinatorClient } from '@godwit/client'
import {
  type ClientOp,
  type ClientRequestInput,
  GodwitError,
  LIMITS,
  type Output,
  type Reply,
  type WorkloadView,
} from '@godwit/protocol'

/** What was asked is either done or an error of Godwit's: `connection-lost` and `peer-stalled` among them. */
export async function ask<Request extends ClientRequestInput>(
  url: string,
  request: Request,
): Promise<Reply<Request['op'] & ClientOp>> {
  return withClient(
    url,
    (client) =>
      client.request(request as never, LIMITS.checkpointTimeoutMs) as Promise<
        Reply<Request['op'] & ClientOp>
      >,
  )
}

/** All steps of a workload that has ended, or will. */
export async function followToEnd(
  url: string,
  workload: string,
): Promise<{ outputs: readonly Output[]; ended: WorkloadView }> {
  return withClient(url, async (client) => {
    const outputs: Output[] = []
    const over = new Promise<{ outputs: readonly Output[]; ended: WorkloadView }>((resolve) => {
      client.listen((_, event) => {
        if (event.kind === 'steps') outputs.push(...event.outputs)
        if (event.kind !== 'workload') return
        const { status, acceptedSteps } = event.workload
        if (['finished', 'failed', 'stopped'].includes(status) && outputs.length >= acceptedSteps)
          resolve({ outputs, ended: event.workload })
      })
    })
    await client.request({ op: 'follow', workload, fromStep: 0 })
    return Promise.race([over, hungUp(client)])
  })
}

async function hungUp(client: CoordinatorClient): Promise<never> {
  throw (await client.closed) ?? new GodwitError('connection-lost', 'the coordinator hung up')
}

async function withClient<T>(url: string, use: (client: CoordinatorClient) => Promise<T>): Promise<T> {
  const client = await CoordinatorClient.connect(url)
  try {
    return await use(client)
  } finally {
    client.close()
  }
}
