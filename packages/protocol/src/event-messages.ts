/**
 * What is said over the WebSocket of events, as JSON: requests with one reply each, steps and changes of the jobs that are followed,
 * and changes of whatever is watched.
 */
import { z } from 'zod'
import { eventRequest, hostView, migrationView, workloadView } from './client-messages.ts'
import { count, errorReport, label, output } from './common.ts'
import { changeKind, cursor, happening } from './happenings.ts'
import { LIMITS } from './limits.ts'
import { shownPicture } from './page-picture.ts'
import { logLine } from './program-log.ts'

export const clientEvent = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('steps'), outputs: z.array(output).max(LIMITS.maxOutputsPerMessage) }),
  /** `isOver`: the job is over, and so are all of its workers: these are the last. */
  z.strictObject({
    kind: z.literal('logs'),
    lines: z.array(logLine).max(LIMITS.maxListed),
    isOver: z.boolean(),
  }),
  z.strictObject({ kind: z.literal('pages'), ...shownPicture.shape }),
  z.strictObject({ kind: z.literal('workload'), workload: workloadView }),
  z.strictObject({ kind: z.literal('migration'), migration: migrationView }),
])
export type ClientEvent = z.infer<typeof clientEvent>

/** Something as it is now. What changes faster than it is read is told as it is then. */
export const change = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('host'), host: hostView }),
  z.strictObject({ kind: z.literal('workload'), workload: workloadView }),
  z.strictObject({ kind: z.literal('migration'), migration: migrationView }),
  /** It was forgotten. */
  z.strictObject({ kind: z.literal('gone'), what: changeKind.exclude(['event']), id: label }),
  /** Told each, whatever came of it meanwhile. */
  z.strictObject({ kind: z.literal('event'), event: happening }),
])
export type Change = z.infer<typeof change>

export const fromClient = z.strictObject({ type: z.literal('request'), id: count, request: eventRequest })
export type FromClient = z.infer<typeof fromClient>

export const toClient = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('reply'), id: count, result: z.unknown() }),
  z.strictObject({ type: z.literal('failed'), id: count, error: errorReport }),
  z.strictObject({ type: z.literal('event'), workload: label, event: clientEvent }),
  z.strictObject({
    type: z.literal('changes'),
    /** To go on after these. */
    cursor,
    changes: z.array(change).max(LIMITS.maxChangesPerMessage),
    /** There is nothing newer at the moment. */
    isCurrent: z.boolean(),
  }),
])
export type ToClient = z.infer<typeof toClient>
