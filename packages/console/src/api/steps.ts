/** The steps of a job, live, from the one after those that are known; with each new connection from where it has come to. */
import type { ClientEvent, Output } from '@godwit/protocol'
import { subscribe } from './connection.ts'

/** Returns how to end it. `nextStep`: asked with each connection. */
export function followSteps(
  workload: string,
  nextStep: () => number,
  heard: (outputs: readonly Output[]) => void,
): () => void {
  return subscribe({
    begin: () => ({ op: 'follow', workload, fromStep: nextStep() }),
    end: () => ({ op: 'unfollow', workload }),
    heard: (message) => {
      if (message.type !== 'event' || message.workload !== workload) return
      const event: ClientEvent = message.event
      if (event.kind === 'steps') heard(event.outputs)
    },
  })
}
