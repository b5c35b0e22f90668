/** Does what was offered: asks for confirmation where something is lost, then the coordinator, and says what came of it. */
import type { HostView, WorkloadView } from '@godwit/protocol'
import { ask, type RequestOf } from '../api/ask.ts'
import { say, sayRefusal } from '../ui/notices.tsx'
import type { HostAction, JobAction } from './actions.ts'
import { go, place } from './location.ts'
import { openMigrate, openRun, overlay } from './overlays.ts'

type Asked = { readonly [Action in Exclude<JobAction | HostAction, 'run'>]: RequestOf<Action> }[Exclude<
  JobAction | HostAction,
  'run'
>]

async function carryOut(request: Asked, { done, not }: { done: string; not: string }): Promise<boolean> {
  try {
    await ask(request)
    say(done)
    return true
  } catch (error) {
    sayRefusal(not, error)
    return false
  }
}

export function doWithJob(action: JobAction, job: WorkloadView): void {
  const { id: workload } = job
  switch (action) {
    case 'migrate':
      return openMigrate([workload])
    case 'run':
      return openRun({ like: workload })
    case 'hold':
      return void carryOut(
        { op: 'hold', workload },
        {
          done: `The move of ${workload} is held before its switchover`,
          not: `The move of ${workload} is not held`,
        },
      )
    case 'switchover':
      return void carryOut(
        { op: 'switchover', workload },
        { done: `${workload} switches over`, not: `${workload} does not switch over` },
      )
    case 'pause':
      return void carryOut(
        { op: 'pause', workload },
        { done: `The move of ${workload} is paused`, not: `The move of ${workload} is not paused` },
      )
    case 'resume':
      return void carryOut(
        { op: 'resume', workload },
        { done: `The move of ${workload} goes on`, not: `The move of ${workload} does not go on` },
      )
    case 'checkpoint':
      return void carryOut(
        { op: 'checkpoint', workload },
        { done: `A checkpoint of ${workload} is written`, not: `No checkpoint of ${workload}` },
      )
    default:
      return confirmJob(action, job)
  }
}

function confirmJob(
  action: 'cancel' | 'stop' | 'forget',
  { id: workload, host, acceptedSteps }: WorkloadView,
): void {
  const asked = {
    cancel: {
      title: `Cancel the move of ${workload}?`,
      text: [`It goes on training on ${host}. What was sent is thrown away at the target.`],
      action: 'Cancel move',
      words: {
        done: `The move of ${workload} is being cancelled`,
        not: `The move of ${workload} is not cancelled`,
      },
    },
    stop: {
      title: `Stop ${workload}?`,
      text: [
        `It has taken ${acceptedSteps} steps and can not be started again from there.`,
        'Its losses and checkpoints are kept until it is forgotten.',
      ],
      action: 'Stop job',
      words: { done: `${workload} is stopped`, not: `${workload} is not stopped` },
    },
    forget: {
      title: `Forget ${workload}?`,
      text: ['Nothing is left of it: its losses, reports and checkpoints are deleted.'],
      action: 'Forget job',
      words: { done: `${workload} is forgotten`, not: `${workload} is not forgotten` },
    },
  }[action]
  overlay.value = {
    kind: 'confirm',
    title: asked.title,
    text: asked.text,
    action: asked.action,
    isLoss: action !== 'cancel',
    run: async () => {
      const isDone = await carryOut({ op: action, workload }, asked.words)
      const at = place.peek()
      const isThere = (at.page === 'job' || at.page === 'move') && at.job === workload
      if (isDone && action === 'forget' && isThere) go({ page: 'cluster' })
    },
  }
}

export function doWithHost(action: HostAction, { name: host }: HostView): void {
  switch (action) {
    case 'run':
      return openRun({ host })
    case 'enterMaintenance':
      overlay.value = { kind: 'enterMaintenance', host }
      return
    case 'exitMaintenance':
      overlay.value = {
        kind: 'confirm',
        title: `Exit maintenance of ${host}?`,
        text: ['The host takes jobs again.'],
        choice: 'Bring back the jobs that left because of it',
        action: 'Exit maintenance',
        run: (isReturn) =>
          void carryOut(
            { op: 'exitMaintenance', host, return: isReturn },
            { done: `${host} takes jobs again`, not: `${host} stays in maintenance` },
          ),
      }
      return
    case 'removeHost':
      overlay.value = {
        kind: 'confirm',
        title: `Remove ${host} from the cluster?`,
        text: ['Its certificates are refused from now on. It needs a new join token to come back.'],
        action: 'Remove host',
        isLoss: true,
        run: () =>
          void carryOut(
            { op: 'removeHost', host },
            { done: `${host} is removed`, not: `${host} is not removed` },
          ),
      }
  }
}

/** `force`: those that can move do, though others can't. */
export function enterMaintenance(host: string, force: boolean): Promise<boolean> {
  return carryOut(
    { op: 'enterMaintenance', host, force },
    { done: `${host} is being emptied`, not: `${host} is not in maintenance` },
  )
}
