/**
 * The cells of the transition tables, and those that cannot be reached, each with the reason. A cell that is listed
 * here and reached all the same is an error as well: the list stays honest.
 */
import type { SourceEvent, SourceState, TargetEvent, TargetState } from '@godwit/engine'

/** Each name once: one that is missing does not compile. */
function all<Name extends string>(names: Record<Name, true>): Name[] {
  return Object.keys(names) as Name[]
}

const SOURCE_STATES = all<SourceState['name']>({
  listening: true,
  connecting: true,
  active: true,
  parking: true,
  draining: true,
  verifying: true,
  frozen: true,
  handedOver: true,
  recovering: true,
  ended: true,
})

const SOURCE_EVENTS = all<SourceEvent['type']>({
  hello: true,
  streamsOpen: true,
  roundSent: true,
  roundStopped: true,
  parked: true,
  finalRoundSent: true,
  memoryHashed: true,
  installed: true,
  clock: true,
  targetReady: true,
  targetRunning: true,
  lost: true,
  trainingEnded: true,
  cancel: true,
  recoverResult: true,
  release: true,
  tick: true,
})

const TARGET_STATES = all<TargetState['name']>({
  dialling: true,
  receiving: true,
  verifying: true,
  claiming: true,
  running: true,
  ended: true,
})

const TARGET_EVENTS = all<TargetEvent['type']>({
  welcome: true,
  refused: true,
  frame: true,
  final: true,
  memoryHashed: true,
  claimResult: true,
  lost: true,
})

const cellsOf = (table: string, states: readonly string[], events: readonly string[]): string[] =>
  states.flatMap((state) => events.map((event) => `${table}: ${state} x ${event}`))

export const CELLS: readonly string[] = [
  ...cellsOf('source', SOURCE_STATES, SOURCE_EVENTS),
  ...cellsOf('target', TARGET_STATES, TARGET_EVENTS),
]

/** By cell: why it can't be reached in a simulation of parties that behave. */
export const UNREACHABLE: Readonly<Record<string, string>> = {}
