/**
 * What is under way and what lately was, as an administrator knows it from a virtual-machine client: one line each for moves and maintenances, with how far
 * it is, or what became of it. A pure function of what is known of moves and hosts.
 */
import type { ErrorReport, HostView, MigrationView } from '@godwit/protocol'
import type { Tone } from './jobs.ts'
import { isEnded, waitText } from './moves.ts'
import type { Place } from './places.ts'

export interface Task {
  readonly id: string
  readonly what: string
  readonly about: string
  readonly place: Place
  readonly word: string
  readonly tone: Tone
  readonly isOver: boolean
  /** From 0 to 1. */
  readonly share?: number | undefined
  readonly timeLeftMs?: number | undefined
  readonly startedAtMs?: number | undefined
  readonly detail?: string | undefined
  readonly error?: ErrorReport | undefined
}

/** What is under way first, the newest first in each part. */
export function tasksOf(moves: readonly MigrationView[], hosts: readonly HostView[]): Task[] {
  const tasks = [...moves.map(taskOfMove), ...hosts.flatMap(taskOfHost)]
  return tasks.sort(
    (a, b) => Number(a.isOver) - Number(b.isOver) || (b.startedAtMs ?? 0) - (a.startedAtMs ?? 0),
  )
}

export const MOVE_WORDS: Record<MigrationView['status'], readonly [Tone, string]> = {
  queued: ['warn', 'queued'],
  setup: ['move', 'setting up'],
  active: ['move', 'sending'],
  preSwitchover: ['move', 'ready'],
  switchover: ['move', 'switching over'],
  completed: ['ok', 'completed'],
  cancelling: ['warn', 'cancelling'],
  cancelled: ['idle', 'cancelled'],
  failed: ['bad', 'failed'],
}

export function moveState({ status, isHeld, pausedBy }: MigrationView): { tone: Tone; word: string } {
  const [tone, word] = MOVE_WORDS[status]
  if (pausedBy !== undefined) return { tone: 'warn', word: 'paused' }
  return status === 'preSwitchover' && isHeld === true ? { tone: 'warn', word: 'held' } : { tone, word }
}

function taskOfMove(move: MigrationView): Task {
  const { id, workload, from, to, status, progress, startedAtMs, error, maintenance } = move
  const { tone, word } = moveState(move)
  const percent = status === 'completed' ? 100 : progress?.percent
  return {
    id,
    what: `Move ${workload}`,
    about: `${from} → ${to}${maintenance === undefined ? '' : ', for maintenance'}`,
    place: { page: 'move', job: workload, move: id },
    word,
    tone,
    isOver: isEnded(status),
    share: percent === undefined ? undefined : percent / 100,
    timeLeftMs: isEnded(status) ? undefined : progress?.timeLeftMs,
    startedAtMs,
    detail: move.waitingFor === undefined ? placeInQueue(move) : `waits for ${waitText(move.waitingFor)}`,
    error,
  }
}

function placeInQueue({ place }: MigrationView): string | undefined {
  return place === undefined ? undefined : `place ${place} in the queue`
}

function taskOfHost({ name, maintenance }: HostView): Task[] {
  if (maintenance === undefined || maintenance.phase === 'over') return []
  const { phase, waiting, moving, stuck, moved } = maintenance
  const all = waiting + moving + stuck + moved
  const isDone = phase === 'evacuated'
  const counts = [
    [moved, 'moved'],
    [moving, 'moving'],
    [waiting, 'waiting'],
    [stuck, 'stuck'],
  ] as const
  const detail = counts
    .filter(([count]) => count > 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ')
  return [
    {
      id: `maintenance ${name}`,
      what: phase === 'returning' ? `Fill ${name} again` : `Maintenance of ${name}`,
      about: name,
      place: { page: 'host', host: name },
      word: isDone ? 'host is empty' : phase,
      tone: stuck > 0 ? 'warn' : isDone ? 'ok' : 'move',
      isOver: false,
      share: isDone || all === 0 ? 1 : moved / all,
      detail: detail === '' ? undefined : detail,
    },
  ]
}
