/**
 * I3 and I5: the frozen source is the net. Nobody takes it away before a step of the epoch that follows has been
 * accepted, or the workload is over. A source that a fault kills is the fault's doing.
 */
import type { Oracle } from './judge.ts'

interface Net {
  readonly workload: string
  readonly epoch: number
}

const OVER = new Set(['finished', 'stopped', 'failed'])

export const judgeNet: Oracle = (happenings) => {
  const nets = new Map<string, Net>()
  const acceptedEpoch = new Map<string, number>()
  const over = new Set<string>()
  for (const happening of happenings) {
    switch (happening.type) {
      case 'froze':
        nets.set(happening.worker, { workload: happening.workload, epoch: happening.epoch })
        break
      case 'thawed':
        nets.delete(happening.worker)
        break
      case 'accepted':
        acceptedEpoch.set(happening.workload, happening.epoch)
        break
      case 'stopAsked':
        over.add(happening.workload)
        break
      case 'workload':
        if (OVER.has(happening.view.status)) over.add(happening.view.id)
        break
      case 'gone': {
        const net = nets.get(happening.worker)
        nets.delete(happening.worker)
        if (net === undefined || happening.why === 'fault' || over.has(net.workload)) break
        const newest = acceptedEpoch.get(net.workload) ?? 0
        if (newest > net.epoch) break
        const how = `${happening.why} at ${happening.atMs.toFixed(1)} ms`
        return `I3: ${happening.worker}, frozen under epoch ${net.epoch}, was ${how}, before a step of a later epoch of ${net.workload} was accepted`
      }
    }
  }
  return undefined
}
