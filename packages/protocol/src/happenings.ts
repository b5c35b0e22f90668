/**
 * What those are told who watch: what there is, as it changes, and what has happened. A cursor says how far one has come in it.
 */
import { z } from 'zod'
import { count, errorReport, label, milliseconds } from './common.ts'

/** `<life of a coordinator>.<number of the change>`: opaque to those who hand it back. */
export const cursor = label

export const changeKind = z.enum(['host', 'workload', 'migration', 'event'])
export type ChangeKind = z.infer<typeof changeKind>

/** Something that happened to a host, job or move: it is in another status since. */
export const happening = z.strictObject({
  cursor,
  /** Milliseconds since 1970, by the coordinator's clock. */
  atMs: count,
  about: changeKind.exclude(['event']),
  id: label,
  /** As the view of what it is about has it; `gone` when it was forgotten. */
  status: label,
  workload: label.optional(),
  host: label.optional(),
  from: label.optional(),
  to: label.optional(),
  error: errorReport.optional(),
})
export type Happening = z.infer<typeof happening>

/** What is under way, as a person sees it. */
export const taskView = z.strictObject({
  /** Of the migration, or the host whose maintenance it is. */
  id: label,
  kind: z.enum(['migration', 'maintenance']),
  /** As the migration's, or the phase of the maintenance. */
  status: label,
  workload: label.optional(),
  host: label.optional(),
  from: label.optional(),
  to: label.optional(),
  startedAtMs: count.optional(),
  /** How far it is, and for how long it goes on; left out where that is not known. */
  percent: z.number().min(0).max(100).optional(),
  timeLeftMs: milliseconds.min(0).optional(),
  detail: z.string().optional(),
})
export type TaskView = z.infer<typeof taskView>
