/**
 * Who owns a workload: the one record that decides which outputs count, as pure functions.
 *
 * Ownership is a list of ranges. Epoch e owns the steps from its `fromStep` up to the next range's; the newest epoch
 * owns the rest. A move of the workload is nothing but a range appended. Since every output carries the epoch of
 * whoever applied its step, two processes that both believe to be the owner do no harm: the record tells their
 * outputs apart, and accepts each step once.
 *
 * - `claim`: the target, holding everything, becomes the owner from the step at which the source parked.
 * - `abort`: the source gets a newer epoch, so that a claim that comes late finds its epoch gone.
 * - `giveBack` (the design's *return*): a claim is undone as long as no step of it has been accepted.
 * - `restart`: the owner is lost, and a worker with the job as its checkpoint had it becomes the owner, from the first step
 *   that is neither accepted nor in the checkpoint. What the checkpoint's spool holds beyond the accepted steps keeps its stamps.
 *
 * An abort's border is the one thing that only the source knows: outputs of the old epoch, computed before it froze,
 * may still be on their way. So the range that an abort makes *floats*: until its first step is accepted, the next
 * step may also come from the epoch before, and pushes the border on. The two belong to the same process, which
 * changes its stamp once, so the border comes to rest exactly where the source stood.
 *
 * Each change is idempotent by (migration or restart, operation), which the range it made remembers: a repeat is granted only
 * while that range is the newest.
 *
 * A job that moves every hour for years has a range for each move. Nothing that is decided looks further back than the
 * steps not accepted yet and the newest migration, so that old ranges are forgotten: the record is rewritten with
 * every batch of outputs, and stays small.
 *
 * Invariants (numbers as in the design): I1 for each step, the outputs of one epoch are ever accepted. I2 accepted
 * steps are gapless and never repeated. I4 after a granted claim nothing that the source computed from `fromStep` on
 * is accepted under the epoch it had. Epochs grow by one, and `fromStep` never falls. A range that owns a step which
 * may still be accepted is never forgotten.
 */
import type { Output } from '@godwit/protocol'

export type OwnershipOperation = 'claim' | 'abort' | 'return' | 'restart'

export interface EpochRange {
  readonly epoch: number
  readonly host: string
  /** First step that the epoch owns; provisional while an aborted range floats. */
  readonly fromStep: number
  /** What made it, by the id of a migration or of a restart; the first range was made by the start of the workload. */
  readonly by?: { readonly migration: string; readonly operation: OwnershipOperation }
}

/** Ranges whose steps are all accepted and that are kept for people to see; decisions need two of them. */
export const MAX_KEPT_RANGES = 100

export interface OwnershipRecord {
  /** The newest ones, oldest first. */
  readonly ranges: readonly EpochRange[]
  /** Also the next step to be accepted. */
  readonly acceptedSteps: number
}

export interface Decision {
  /** The same object when nothing changes. */
  readonly record: OwnershipRecord
  readonly granted: boolean
  /** What the operation made; refused, the newest epoch. */
  readonly epoch: number
}

export interface Acceptance {
  readonly record: OwnershipRecord
  /** Those that count, in order; the others were duplicates, of a wrong epoch, or came too early. */
  readonly accepted: readonly Output[]
  /** The last step accepted so far, by whomever; -1 before the first. */
  readonly acknowledgedStep: number
}

/** The record of a workload that starts on `host`. */
export function firstOwner(host: string): OwnershipRecord {
  return { ranges: [{ epoch: 1, host, fromStep: 0 }], acceptedSteps: 0 }
}

export function newestRange(record: OwnershipRecord): EpochRange {
  const newest = record.ranges.at(-1)
  if (newest === undefined) throw new Error('an ownership record without an owner')
  return newest
}

/** (source, `epoch`) to (`host`, `epoch` + 1, `fromStep`). `fromStep` counts the steps applied in the state that was sent. */
export function claim(
  record: OwnershipRecord,
  request: { migration: string; epoch: number; host: string; fromStep: number },
): Decision {
  const { migration, epoch, host, fromStep } = request
  const newest = newestRange(record)
  if (wasMade(record, migration, 'claim')) return repeated(record, migration, 'claim')
  // A state older than what was accepted would make steps happen twice (I2).
  const tooOld = fromStep < record.acceptedSteps || fromStep < newest.fromStep
  if (newest.epoch !== epoch || tooOld) return refused(record)
  return appended(record, { host, fromStep, by: { migration, operation: 'claim' } })
}

/** (`host`, `epoch`) to (`host`, `epoch` + 1): the frozen source goes on, and the claim that it feared will fail. */
export function abort(
  record: OwnershipRecord,
  request: { migration: string; epoch: number; host: string },
): Decision {
  const { migration, epoch, host } = request
  const newest = newestRange(record)
  if (wasMade(record, migration, 'abort')) return repeated(record, migration, 'abort')
  if (newest.epoch !== epoch || newest.host !== host) return refused(record)
  const fromStep = Math.max(record.acceptedSteps, newest.fromStep)
  return appended(record, { host, fromStep, by: { migration, operation: 'abort' } })
}

/** (target, e + 1) to (`host`, e + 2, the claim's `fromStep`): only while the frozen source has everything. */
export function giveBack(record: OwnershipRecord, request: { migration: string; host: string }): Decision {
  const { migration, host } = request
  const newest = newestRange(record)
  if (wasMade(record, migration, 'return')) return repeated(record, migration, 'return')
  const stepAccepted = record.acceptedSteps > newest.fromStep
  const hadIt = record.ranges.at(-2)?.host === host
  if (!madeBy(newest, migration, 'claim') || stepAccepted || !hadIt) return refused(record)
  return appended(record, { host, fromStep: newest.fromStep, by: { migration, operation: 'return' } })
}

/** What a source frozen after `final` needs in order to go on: an abort before the claim, a return after it. */
export function recover(
  record: OwnershipRecord,
  request: { migration: string; epoch: number; host: string },
): Decision {
  const newest = newestRange(record)
  const claimed = madeBy(newest, request.migration, 'claim') || madeBy(newest, request.migration, 'return')
  return claimed ? giveBack(record, request) : abort(record, request)
}

/**
 * (host, `epoch`) to (`host`, `epoch` + 1): a worker goes on from a checkpoint in which `checkpointStep` steps are applied. What the
 * lost owner had been given and did not live to report falls to the new one, and is never accepted from the old.
 */
export function restart(
  record: OwnershipRecord,
  request: {
    restart: string
    epoch: number
    host: string
    checkpointStep: number
    /** Under which the checkpoint was written. */
    checkpointEpoch?: number | undefined
  },
): Decision {
  const { restart: id, epoch, host, checkpointStep } = request
  const newest = newestRange(record)
  if (wasMade(record, id, 'restart')) {
    // One that loaded less than the first time has not what lies before the border, and nobody else has.
    const hasAll = checkpointStep === newest.fromStep || record.acceptedSteps >= newest.fromStep
    return hasAll ? repeated(record, id, 'restart') : refused(record)
  }
  if (newest.epoch !== epoch || !isOfThisHistory(record, request)) return refused(record)
  const fromStep = Math.max(checkpointStep, record.acceptedSteps)
  // An owner may have been lost before it came as far as its own first step.
  const ranges = record.ranges.map((range) => (range.fromStep > fromStep ? { ...range, fromStep } : range))
  return appended({ ...record, ranges }, { host, fromStep, by: { migration: id, operation: 'restart' } })
}

/**
 * Whether the steps that a checkpoint is ahead of the record can still be accepted: a later epoch that began before them has taken
 * its place, as after a claim that was undone.
 */
export function isOfThisHistory(
  { ranges, acceptedSteps }: OwnershipRecord,
  { checkpointStep, checkpointEpoch }: { checkpointStep: number; checkpointEpoch?: number | undefined },
): boolean {
  if (checkpointStep <= acceptedSteps || checkpointEpoch === undefined) return true
  return ranges.every(
    (range) =>
      range.epoch <= checkpointEpoch || range.fromStep >= checkpointStep || floatsAt(range, acceptedSteps),
  )
}

/** Takes the outputs that count, whoever carries them. */
export function accept(record: OwnershipRecord, outputs: readonly Output[]): Acceptance {
  let next = record
  const accepted: Output[] = []
  for (const output of outputs) {
    const after = withOutput(next, output)
    if (after === undefined) continue
    next = after
    accepted.push(output)
  }
  return { record: next, accepted, acknowledgedStep: next.acceptedSteps - 1 }
}

/** The record once `output` is accepted, or undefined when it is not the next step of the epoch that owns it. */
function withOutput(record: OwnershipRecord, output: Output): OwnershipRecord | undefined {
  const step = record.acceptedSteps
  if (output.step !== step) return undefined
  let owner = record.ranges.findLastIndex((range) => range.fromStep <= step)
  const last = owner
  while (floatsAt(record.ranges[owner], step) && record.ranges[owner]?.epoch !== output.epoch) owner -= 1
  if (record.ranges[owner]?.epoch !== output.epoch) return undefined
  const ranges =
    owner === last
      ? record.ranges
      : record.ranges.map((range, index) =>
          index > owner && index <= last ? { ...range, fromStep: step + 1 } : range,
        )
  return { ranges, acceptedSteps: step + 1 }
}

/** Made by an abort and without an accepted step: its border may still move. */
function floatsAt(range: EpochRange | undefined, nextStep: number): boolean {
  return range?.by?.operation === 'abort' && range.fromStep === nextStep
}

function madeBy(range: EpochRange, migration: string, operation: OwnershipOperation): boolean {
  return range.by?.migration === migration && range.by.operation === operation
}

function wasMade(record: OwnershipRecord, migration: string, operation: OwnershipOperation): boolean {
  return record.ranges.some((range) => madeBy(range, migration, operation))
}

/** Done before: granted while what it made is the newest, and never done a second time. */
function repeated(record: OwnershipRecord, migration: string, operation: OwnershipOperation): Decision {
  const newest = newestRange(record)
  return { record, granted: madeBy(newest, migration, operation), epoch: newest.epoch }
}

function refused(record: OwnershipRecord): Decision {
  return { record, granted: false, epoch: newestRange(record).epoch }
}

function appended(record: OwnershipRecord, range: Omit<EpochRange, 'epoch'>): Decision {
  const epoch = newestRange(record).epoch + 1
  const ranges = withoutOld([...record.ranges, { ...range, epoch }], record.acceptedSteps)
  return { record: { ...record, ranges }, granted: true, epoch }
}

/** A range that ends where the next step comes may still be given it, while that after it floats. */
function withoutOld(ranges: readonly EpochRange[], acceptedSteps: number): readonly EpochRange[] {
  const open = ranges.findIndex((_, index) => (ranges[index + 1]?.fromStep ?? Infinity) >= acceptedSteps)
  return ranges.slice(Math.max(0, Math.min(ranges.length - MAX_KEPT_RANGES, open)))
}
