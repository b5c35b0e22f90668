/**
 * The target's end of a migration, as a pure function.
 *
 * Intuition: the target owns nothing until its claim is granted, so before that any trouble ends in "say why and
 * exit": the source still has everything. Control messages and frames come over different connections, so `final`
 * may overtake the last frames; it counts only when each stream has arrived up to the sequence that it names.
 *
 * Invariants:
 * - a stream's frames are installed in the order in which they were sent, none missing, so that no older copy of
 *   a page lands on a newer one;
 * - `takeOver` is asked for once, and only when every page has been written since setup;
 * - nothing is claimed before everything is installed, and hashed where the source sent a digest; before the claim is granted nothing is applied but the delta that
 *   came with the state, and no output leaves.
 *
 * No timer stands here: a silent source ends its connection, and an unanswered claim waits, because only the
 * coordinator knows who owns the job.
 */
import { type BulkFrame, type ErrorReport, PageSet } from '@godwit/protocol'

/** What `final` says, without the state and outputs that the edge keeps. */
export interface Final {
  readonly attempt: number
  readonly step: number
  readonly lastSequences: readonly number[]
  /** Of the delta that comes with it; 0 when the thread parked at the boundary. */
  readonly deltaBytes: number
  /** SHA-256 of all paged memory at the source: what is here must be that. Undefined where nobody asked for it. */
  readonly memoryDigest?: string | undefined
}

interface Receiving {
  /** By stream: the sequence number that must come next. */
  readonly nextSequences: readonly number[]
  /** Pages written since setup. The one thing here that is changed in place: it is as large as the arena's bitmap. */
  readonly received: PageSet
  readonly final: Final | undefined
  /** Of the newest attempt: what is left of earlier ones is written over. */
  readonly delta: { readonly attempt: number; readonly bytes: number }
  readonly maxDeltaBytes: number
}

export type TargetState =
  | { readonly name: 'dialling'; readonly pageCount: number; readonly maxDeltaBytes: number }
  | ({ readonly name: 'receiving' } & Receiving)
  /** Everything is here; paged memory is hashed before anything is claimed. */
  | { readonly name: 'verifying'; readonly final: Final }
  /** Everything is here and claimed; the thread computes ahead behind a closed gate. */
  | { readonly name: 'claiming'; readonly final: Final }
  | { readonly name: 'running' }
  | { readonly name: 'ended' }

export type TargetEvent =
  | { readonly type: 'welcome'; readonly streams: number }
  | { readonly type: 'refused'; readonly error: ErrorReport }
  | { readonly type: 'frame'; readonly frame: BulkFrame }
  | { readonly type: 'final'; readonly final: Final }
  /** SHA-256 of all paged memory. */
  | { readonly type: 'memoryHashed'; readonly digest: string }
  | { readonly type: 'claimResult'; readonly granted: boolean; readonly epoch: number }
  | { readonly type: 'lost'; readonly error: ErrorReport }

export type TargetEffect =
  | { readonly type: 'openStreams'; readonly streams: number }
  | { readonly type: 'install'; readonly frame: BulkFrame }
  /** Hash all paged memory: nobody writes it. */
  | { readonly type: 'hashMemory' }
  /** Give the thread its state behind the closed gate, tell the source, claim from `step` on. */
  | { readonly type: 'takeOver'; readonly final: Final }
  /** The job is ours: let the thread apply, under `epoch`. */
  | { readonly type: 'openGate'; readonly epoch: number }
  /** Tell the source where it still listens, and end the worker. */
  | { readonly type: 'exit'; readonly error: ErrorReport }

export interface TargetNext {
  readonly state: TargetState
  readonly effects: readonly TargetEffect[]
}

type Named<Name extends TargetState['name']> = Extract<TargetState, { name: Name }>
type Row<Name extends TargetState['name']> = {
  [Type in TargetEvent['type']]: (
    state: Named<Name>,
    event: Extract<TargetEvent, { type: Type }>,
  ) => TargetNext
}

/** `maxDeltaBytes`: the largest delta that the program declared, staged. */
export function startTarget(pageCount: number, maxDeltaBytes: number): TargetState {
  return { name: 'dialling', pageCount, maxDeltaBytes }
}

export function stepTarget(state: TargetState, event: TargetEvent): TargetNext {
  const rule = TABLE[state.name][event.type] as (state: TargetState, event: TargetEvent) => TargetNext
  return rule(state, event)
}

function to(state: TargetState, ...effects: TargetEffect[]): TargetNext {
  return { state, effects }
}

const stay = (state: TargetState): TargetNext => to(state)

function exit(state: TargetState, error: ErrorReport): TargetNext {
  const phase = state.name === 'dialling' ? 'setup' : state.name === 'receiving' ? 'active' : 'switchover'
  return to({ name: 'ended' }, { type: 'exit', error: { phase, ...error } })
}

function outOfOrder(state: TargetState, event: TargetEvent): TargetNext {
  return exit(state, {
    kind: 'out-of-order',
    message: `the source's ${event.type} is not expected while ${state.name}`,
  })
}

const lost = (state: TargetState, event: Extract<TargetEvent, { type: 'lost' }>): TargetNext =>
  exit(state, event.error)

function receive(state: Named<'receiving'>, frame: BulkFrame): TargetNext {
  const expected = state.nextSequences[frame.stream]
  if (expected === undefined) {
    return exit(state, {
      kind: 'bad-frame',
      message: `a frame on stream ${frame.stream}, which was not opened`,
    })
  }
  if (frame.sequence !== expected) {
    const message = `frame ${frame.sequence} on stream ${frame.stream} where ${expected} is due`
    return exit(state, { kind: 'out-of-order', message })
  }
  const last = state.final?.lastSequences[frame.stream]
  if (last !== undefined && frame.sequence > last) {
    return exit(state, {
      kind: 'out-of-order',
      message: `frame ${frame.sequence} follows the last one, ${last}`,
    })
  }
  if (frame.kind === 'pages') {
    for (const run of frame.runs) {
      if (run.encoding === 'xor' && !state.received.hasRun(run)) {
        const message = `pages ${run.firstPage}+${run.pageCount} are the difference to what was never sent`
        return exit(state, { kind: 'out-of-order', message })
      }
      state.received.addRun(run)
    }
  }
  const delta = frame.kind === 'delta' ? withDelta(state.delta, frame) : state.delta
  if (frame.kind === 'delta' && frame.byteOffset + frame.payload.length > state.maxDeltaBytes) {
    const message = `delta bytes ${frame.byteOffset}+${frame.payload.length} where the program declared ${state.maxDeltaBytes}`
    return exit(state, { kind: 'out-of-range', message })
  }
  const nextSequences = state.nextSequences.with(frame.stream, expected + 1)
  // What is late from an attempt that was given up must not land on the newer one.
  const isStale = frame.kind === 'delta' && frame.round < delta.attempt
  const effects: TargetEffect[] = isStale ? [] : [{ type: 'install', frame }]
  return takeOverWhenWhole({ ...state, nextSequences, delta }, ...effects)
}

function withDelta(
  before: Receiving['delta'],
  { round: attempt, payload }: Extract<BulkFrame, { kind: 'delta' }>,
): Receiving['delta'] {
  if (attempt < before.attempt) return before
  const bytes = payload.length + (attempt === before.attempt ? before.bytes : 0)
  return { attempt, bytes }
}

function takeOverWhenWhole(state: Named<'receiving'>, ...effects: TargetEffect[]): TargetNext {
  const { final, nextSequences, received } = state
  if (final === undefined || nextSequences.some((next, stream) => next - 1 !== final.lastSequences[stream])) {
    return to(state, ...effects)
  }
  if (!received.isFull) {
    const missing = received.pageCount - received.size
    return exit(state, {
      kind: 'out-of-order',
      message: `final came while ${missing} pages had never been sent`,
    })
  }
  const { delta } = state
  const deltaBytes = delta.attempt === final.attempt ? delta.bytes : 0
  if (deltaBytes !== final.deltaBytes) {
    const message = `final came with ${deltaBytes} bytes of a delta of ${final.deltaBytes}`
    return exit(state, { kind: 'out-of-order', message })
  }
  if (final.memoryDigest !== undefined)
    return to({ name: 'verifying', final }, ...effects, { type: 'hashMemory' })
  return to({ name: 'claiming', final }, ...effects, { type: 'takeOver', final })
}

/** Of our own edge, in a state in which it was not asked for. */
function unasked(state: TargetState, event: TargetEvent): TargetNext {
  throw new Error(`bug: ${event.type} while ${state.name}`)
}

const dialling: Row<'dialling'> = {
  welcome: (state, { streams }) =>
    to(
      {
        name: 'receiving',
        nextSequences: new Array<number>(streams).fill(0),
        received: new PageSet(state.pageCount),
        final: undefined,
        delta: { attempt: 0, bytes: 0 },
        maxDeltaBytes: state.maxDeltaBytes,
      },
      { type: 'openStreams', streams },
    ),
  refused: (state, { error }) => exit(state, error),
  frame: outOfOrder,
  final: outOfOrder,
  memoryHashed: unasked,
  claimResult: outOfOrder,
  lost,
}

const receiving: Row<'receiving'> = {
  welcome: outOfOrder,
  refused: outOfOrder,
  frame: (state, { frame }) => receive(state, frame),
  final: (state, { final }) => {
    if (state.final !== undefined) return exit(state, { kind: 'out-of-order', message: 'a second final' })
    if (final.lastSequences.length !== state.nextSequences.length) {
      const message = `final names ${final.lastSequences.length} streams of ${state.nextSequences.length}`
      return exit(state, { kind: 'bad-message', message })
    }
    if (final.lastSequences.some((last, stream) => last < (state.nextSequences[stream] as number) - 1)) {
      return exit(state, {
        kind: 'out-of-order',
        message: 'final names a frame before one that already came',
      })
    }
    return takeOverWhenWhole({ ...state, final })
  },
  memoryHashed: unasked,
  claimResult: outOfOrder,
  lost,
}

const verifying: Row<'verifying'> = {
  welcome: outOfOrder,
  refused: outOfOrder,
  frame: outOfOrder,
  final: outOfOrder,
  memoryHashed: ({ final }, { digest }) => {
    if (digest === final.memoryDigest) return to({ name: 'claiming', final }, { type: 'takeOver', final })
    return exit(
      { name: 'verifying', final },
      {
        kind: 'memory-differs',
        message:
          "the target's paged memory is not what the source's was when its last page was sent: does the program write to it outside of apply? Its worker must not be trusted with this job",
      },
    )
  },
  claimResult: outOfOrder,
  lost,
}

const claiming: Row<'claiming'> = {
  welcome: stay,
  refused: stay,
  frame: stay,
  final: stay,
  memoryHashed: unasked,
  claimResult: (state, { granted, epoch }) => {
    if (granted) return to({ name: 'running' }, { type: 'openGate', epoch })
    return exit(state, { kind: 'claim-refused', message: `epoch ${epoch} owns the workload` })
  },
  // The source needs nothing more of us: whether the job is ours is the coordinator's to say.
  lost: stay,
}

const over = {
  welcome: stay,
  refused: stay,
  frame: stay,
  final: stay,
  // Hashed while the source was lost.
  memoryHashed: stay,
  claimResult: stay,
  lost: stay,
}
const running: Row<'running'> = over
const ended: Row<'ended'> = over

const TABLE: { [Name in TargetState['name']]: Row<Name> } = {
  dialling,
  receiving,
  verifying,
  claiming,
  running,
  ended,
}
