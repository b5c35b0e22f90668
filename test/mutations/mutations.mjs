/**
 * The code that decides who owns a job, broken in ways that somebody might break it, each to be caught by the simulator or
 * by a unit test. One that nobody catches is a hole in the proof.
 *
 * `find` must stand in the file exactly once: a mutation that has lost its place is an error, not a pass.
 */

const OWNERSHIP = 'packages/coordinator/src/ownership.ts'
const MACHINE = 'packages/coordinator/src/migration-machine.ts'
const OWNERSHIP_TESTS = ['packages/coordinator/src/ownership.test.ts']
const MACHINE_TESTS = [
  'packages/coordinator/src/migration-machine.test.ts',
  'packages/coordinator/src/migration-properties.test.ts',
]
const SOURCE_TESTS = ['packages/engine/src/source.test.ts', 'packages/engine/src/source-any-order.test.ts']
const TARGET_TESTS = ['packages/engine/src/target.test.ts']

export const MUTATIONS = [
  {
    name: 'the record is written without compare-and-set',
    file: 'packages/coordinator/src/ownership-store.ts',
    find: 'value: encodeValue(changed.record), expectedRevision: entry.revision }',
    replace: 'value: encodeValue(changed.record) }',
    tests: ['packages/coordinator/src/ownership-store.test.ts'],
  },
  {
    name: 'the source resumes on any error after final',
    file: 'packages/engine/src/source-after-final.ts',
    find: "lost: (state, { error }, nowMs) => askRecover(state, 'failed', { reason: error, nowMs }),",
    replace:
      "lost: (state, { error }) => to(ENDED, { type: 'resume' }, { type: 'finish', status: 'failed', error }),",
    tests: SOURCE_TESTS,
  },
  {
    name: 'outputs are accepted whatever their epoch',
    file: OWNERSHIP,
    find: 'if (record.ranges[owner]?.epoch !== output.epoch) return undefined',
    replace: '',
    tests: OWNERSHIP_TESTS,
  },
  {
    name: 'outputs are accepted out of order',
    file: OWNERSHIP,
    find: 'if (output.step !== step) return undefined',
    replace: 'if (output.step < step) return undefined',
    tests: OWNERSHIP_TESTS,
  },
  {
    name: 'the pages of a failed round are lost',
    file: 'packages/memory/src/subscriptions.ts',
    find: 'putBack: (pages) => this.#pendingOf(subscription).addAll(pages),',
    replace: 'putBack: () => {},',
    tests: ['packages/memory/src/dirty-tracker.test.ts'],
  },
  {
    name: 'the pages of a stopped round are lost (simulated edge)',
    file: 'packages/testkit/src/sim/outgoing-rounds.ts',
    find: 'this.#subscribed().putBack(rest)',
    replace: 'this.#subscribed()',
    tests: [],
  },
  {
    name: 'a return is granted after an accepted step',
    file: OWNERSHIP,
    find: "!madeBy(newest, migration, 'claim') || stepAccepted || !hadIt",
    replace: "!madeBy(newest, migration, 'claim') || !hadIt",
    tests: OWNERSHIP_TESTS,
  },
  {
    name: 'the source is released when the claim is granted',
    file: MACHINE,
    find: "effects: [{ type: 'own', side: 'target' }, claimResult(state, true, epoch)],",
    replace:
      "effects: [{ type: 'own', side: 'target' }, claimResult(state, true, epoch), { type: 'releaseSource' }],",
    tests: MACHINE_TESTS,
  },
  {
    name: 'outputs are not withheld before the claim',
    file: 'packages/engine/src/target.ts',
    find: "return to({ name: 'claiming', final }, ...effects, { type: 'takeOver', final })",
    replace:
      "return to({ name: 'claiming', final }, ...effects, { type: 'takeOver', final }, { type: 'openGate', epoch: 2 })",
    tests: TARGET_TESTS,
  },
  {
    name: 'the spool does not travel (simulated edge)',
    file: 'packages/testkit/src/sim/outgoing.ts',
    find: 'spool: [...this.#job.spool.all],',
    replace: 'spool: [],',
    tests: [],
  },
  {
    name: 'a claim is done anew each time it is asked for',
    file: OWNERSHIP,
    find: "if (wasMade(record, migration, 'claim')) return repeated(record, migration, 'claim')",
    replace: '',
    tests: OWNERSHIP_TESTS,
  },
  {
    name: 'a claim of a state older than what was accepted is granted',
    file: OWNERSHIP,
    find: 'if (newest.epoch !== epoch || tooOld) return refused(record)',
    replace: 'if (newest.epoch !== epoch) return refused(record)',
    tests: OWNERSHIP_TESTS,
  },
  {
    name: 'a target is taken over although pages are missing',
    file: 'packages/engine/src/target.ts',
    find: 'final === undefined || nextSequences.some((next, stream) => next - 1 !== final.lastSequences[stream])',
    replace: 'final === undefined',
    tests: TARGET_TESTS,
  },
  {
    name: 'a migration that is given up leaves its target alive',
    file: 'packages/coordinator/src/migration-steps.ts',
    find: "effects: [{ type: 'killTarget' }, cancelSource(state, outcome.error)],",
    replace: 'effects: [cancelSource(state, outcome.error)],',
    tests: MACHINE_TESTS,
  },
]
