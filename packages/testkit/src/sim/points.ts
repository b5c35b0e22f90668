/**
 * The points at which a process is made to die or stand still: between any two things that it does that somebody else
 * can see. Named as @godwit/channel's crash-point.ts names them, behind the role of the process.
 */

/** Messages, by who sends them. */
const SENT = {
  coordinator: [
    'registered',
    'launch',
    'kill',
    'toWorker.openOutgoing',
    'toWorker.dial',
    'toWorker.switchover',
    'toWorker.pauseMigration',
    'toWorker.cancelMigration',
    'toWorker.claimResult',
    'toWorker.recoverResult',
    'toWorker.release',
    'toWorker.acknowledge',
    'toWorker.stop',
    'toWorker.resume',
    'toWorker.checkpoint',
    'deleteCheckpoint',
  ],
  agent: [
    'register',
    'about',
    'workerExited',
    'fromWorker.prepared',
    'fromWorker.outputs',
    'fromWorker.ended',
    'fromWorker.failed',
    'fromWorker.outgoingOpened',
    'fromWorker.migrationProgress',
    'fromWorker.claim',
    'fromWorker.recover',
    'fromWorker.migrationEnded',
    // Commands on their way to the worker.
    'openOutgoing',
    'dial',
    'switchover',
    'pauseMigration',
    'cancelMigration',
    'claimResult',
    'recoverResult',
    'release',
    'acknowledge',
    'stop',
    'resume',
    'checkpoint',
    'fromWorker.checkpointed',
  ],
  worker: [
    'hello',
    'prepared',
    'outputs',
    'ended',
    'failed',
    'outgoingOpened',
    'migrationProgress',
    'claim',
    'recover',
    'migrationEnded',
    'checkpointed',
    // To the other worker.
    'welcome',
    'ping',
    'pong',
    'bulkHello',
    'frame',
    'installed',
    'final',
    'ready',
    'running',
  ],
} as const

const OTHERS = [
  'coordinator/before-write:ownership',
  'coordinator/after-write:ownership',
  'coordinator/before-write:maintenance',
  'coordinator/after-write:maintenance',
  'agent/before-spawn',
  'agent/after-spawn',
  'worker/before-park',
  'worker/after-park',
  'worker/before-resume',
  'worker/after-resume',
  'worker/before-install:final',
  'worker/after-install:final',
  'worker/before-write:checkpoint',
  'worker/after-write:checkpoint',
] as const

export const POINTS: readonly string[] = [
  ...Object.entries(SENT).flatMap(([role, messages]) =>
    messages.flatMap((message) => [`${role}/before-send:${message}`, `${role}/after-send:${message}`]),
  ),
  ...OTHERS,
]
