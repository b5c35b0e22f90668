/** Views for tests: all that has to be there, and whatever a test is about. */
import type { HostView, MigrationView, WorkloadView } from '@godwit/protocol'

export function hostView(view: Partial<HostView> = {}): HostView {
  return {
    name: 'a',
    address: '10.0.0.1',
    faultDomain: 'east/rack-1',
    state: 'connected',
    memoryBytes: 2 ** 30,
    usedMemoryBytes: 0,
    cores: 2,
    stepsPerSecond: 0,
    workloads: [],
    ...view,
  }
}

export function jobView(view: Partial<WorkloadView> = {}): WorkloadView {
  return {
    id: 'job',
    program: 'mnist-mlp',
    parameters: {},
    steps: 1000,
    status: 'running',
    host: 'a',
    epoch: 1,
    ranges: [{ epoch: 1, host: 'a', fromStep: 0 }],
    acceptedSteps: 10,
    restartPolicy: 'on-failure',
    restarts: 0,
    ...view,
  }
}

export function moveView(view: Partial<MigrationView> = {}): MigrationView {
  return {
    id: 'm-1',
    workload: 'job',
    from: 'a',
    to: 'b',
    status: 'active',
    options: {
      priority: 'normal',
      hold: false,
      downtimeLimitMs: 300,
      method: 'precopy',
      parkPoint: 'auto',
      codec: 'auto',
      streams: 1,
      onStall: 'wait',
      timeoutMs: 600_000,
      onTimeout: 'cancel',
      computeOnly: false,
      verify: false,
    },
    ...view,
  }
}
