/**
 * The coordinator's end of `/join`: one question, one answer, and the connection closes. Whoever asks has shown nothing yet, so
 * only a few of them are heard at a time, and none for long.
 */
import { Channel, type WebSocket } from '@godwit/channel'
import {
  type FromJoiner,
  fromJoiner,
  GodwitError,
  LIMITS,
  type ToJoiner,
  toErrorReport,
} from '@godwit/protocol'
import type { Logger } from 'pino'

/** A certificate, or why there is none: it throws that. */
export type Join = (question: FromJoiner) => Promise<Extract<ToJoiner, { type: 'joined' }>>

export function acceptJoiner(
  socket: WebSocket,
  { join, closed }: { join: Join; closed(): void },
  log: Logger,
): void {
  let isAsked = false
  const channel = new Channel<FromJoiner, ToJoiner>(
    socket,
    fromJoiner,
    {
      message: (question) => {
        if (isAsked) {
          channel.end(
            new GodwitError('out-of-order', 'a second question on /join: one host joins by one connection'),
          )
          return
        }
        isAsked = true
        clearTimeout(helloTimer)
        answer(question).catch((error: unknown) => log.error({ err: error }, 'a bug in the coordinator'))
      },
      closed: () => {
        clearTimeout(helloTimer)
        closed()
      },
    },
    { messagesPerSecond: LIMITS.maxRequestsPerSecond },
  )
  const helloTimer = setTimeout(
    () => channel.end(new GodwitError('peer-stalled', 'nobody asked to join')),
    LIMITS.helloTimeoutMs,
  )

  async function answer(question: FromJoiner): Promise<void> {
    try {
      channel.send(await join(question))
    } catch (error) {
      if (!(error instanceof GodwitError)) log.error({ err: error }, 'a bug in the coordinator')
      channel.send({ type: 'refused', error: toErrorReport(error) })
    }
    channel.close()
  }
}
