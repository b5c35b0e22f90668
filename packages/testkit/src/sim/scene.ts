/** What the liveness oracle is shown of the simulated world. */
import type { Happening } from './happenings.ts'
import { progressIn, type Scene } from './oracles/liveness.ts'
import type { World } from './world.ts'

/** `since`: what happened since nothing goes wrong any more. */
export function sceneOf(world: World, since: readonly Happening[]): Scene {
  const { person, network, plan } = world
  const bereft = new Map<string, number>()
  for (const happening of world.happenings) {
    if (happening.type === 'gone' && happening.why === 'fault')
      bereft.set(happening.workload, (bereft.get(happening.workload) ?? 0) + 1)
  }
  return {
    awayAgents: [...world.agents].filter(([, agent]) => !agent.isRegistered).map(([host]) => host),
    isCoordinatorUp: world.coordinator?.process.runs === true,
    workers: world.workersOn().map((worker) => ({
      name: worker.process.name,
      workload: worker.launch.workloadId,
      host: worker.process.node,
      isFrozen: worker.isFrozen,
      isParked: worker.isParked,
    })),
    ports: network.listening().filter((address) => !/^(worker|coordinator)\b/.test(address)),
    connections: [...network.connections].filter(({ kind }) => kind === 'control' || kind === 'bulk').length,
    workloads: [...person.workloads.values()],
    migrations: [...person.migrations.values()],
    hosts: person.hosts,
    stopped: person.stopped,
    shapes: plan.shapes,
    bereft,
    progress: progressIn(since),
  }
}
