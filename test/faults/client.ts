/**
 * A client of the coordinator for a test that asks it a hundred times: a connection for each question, so that none is lost with
 * one. The command line would do, and takes half a second for each.
 */
import { Channel, dial } from '@godwit/channel'
import {
  type ClientEvent,
  type ClientOp,
  type ClientRequestInput,
  clientRequest,
  type FromClient,
  fromErrorReport,
  GodwitError,
  LIMITS,
  type Output,
  type Reply,
  type ToClient,
  toClient,
  type WorkloadView,
} from '@godwit/protocol'

interface Asking {
  reply(result: unknown): void
  failed(error: Error): void
  event(event: ClientEvent): void
}

/** What was asked is either done or an error of Godwit's: `connection-lost` and `peer-stalled` among them. */
export async function ask<Request extends ClientRequestInput>(
  url: string,
  request: Request,
): Promise<Reply<Request['op'] & ClientOp>> {
  return conversation(url, request, (end, fail) => ({
    reply: (result) => end(result as Reply<Request['op'] & ClientOp>),
    failed: fail,
    event: () => {},
  }))
}

/** All steps of a workload that has ended, or will. */
export async function followToEnd(
  url: string,
  workload: string,
): Promise<{ outputs: readonly Output[]; ended: WorkloadView }> {
  const outputs: Output[] = []
  return conversation(url, { op: 'follow', workload, fromStep: 0 }, (end, fail) => ({
    reply: () => {},
    failed: fail,
    event: (event) => {
      if (event.kind === 'steps') outputs.push(...event.outputs)
      if (event.kind !== 'workload') return
      const { status, acceptedSteps } = event.workload
      if (['finished', 'failed', 'stopped'].includes(status) && outputs.length >= acceptedSteps)
        end({ outputs, ended: event.workload })
    },
  }))
}

async function conversation<T>(
  url: string,
  request: ClientRequestInput,
  listener: (end: (result: T) => void, fail: (error: Error) => void) => Asking,
): Promise<T> {
  const socket = await dial(`${url}/client`)
  let close = (): void => {}
  try {
    return await new Promise<T>((resolve, reject) => {
      const asking = listener(resolve, reject)
      const channel = new Channel<ToClient, FromClient>(socket, toClient, {
        message: (message) => {
          if (message.type === 'reply') asking.reply(message.result)
          else if (message.type === 'failed') asking.failed(fromErrorReport(message.error))
          else asking.event(message.event)
        },
        closed: (error) => reject(error ?? new GodwitError('connection-lost', 'the coordinator hung up')),
      })
      const timer = setTimeout(
        () => channel.end(new GodwitError('peer-stalled', `no answer to ${request.op}`)),
        LIMITS.checkpointTimeoutMs,
      )
      close = () => {
        clearTimeout(timer)
        channel.close()
      }
      channel.send({ type: 'request', id: 1, request: clientRequest.parse(request) })
    })
  } finally {
    close()
  }
}
