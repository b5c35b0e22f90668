/** What the page makes of jobs: which are over, how one is doing in a word, and where it is going. */
import type { MigrationView, WorkloadView } from '@godwit/protocol'
import { isEnded } from './moves.ts'

/** How something is doing, by which it is coloured. */
export type Tone = 'ok' | 'move' | 'warn' | 'bad' | 'idle'

const OVER: ReadonlySet<string> = new Set(['finished', 'stopped', 'failed'])

export function isOver(job: Pick<WorkloadView, 'status'>): boolean {
  return OVER.has(job.status)
}

/** `move`: its latest, when one is under way. */
export function jobState(job: WorkloadView, move: MigrationView | undefined): { tone: Tone; word: string } {
  if (!isOver(job) && move !== undefined && !isEnded(move.status)) {
    if (move.pausedBy !== undefined) return { tone: 'warn', word: 'move paused' }
    return move.status === 'queued' ? { tone: 'warn', word: 'queued' } : { tone: 'move', word: 'moving' }
  }
  switch (job.status) {
    case 'running':
      return job.diverged === undefined ? { tone: 'ok', word: 'running' } : { tone: 'bad', word: 'diverged' }
    case 'failed':
      return { tone: 'bad', word: 'failed' }
    case 'finished':
    case 'stopped':
      return { tone: 'idle', word: job.status }
    default:
      return { tone: 'warn', word: job.status }
  }
}
