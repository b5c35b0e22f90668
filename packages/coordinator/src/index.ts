/** The coordinator as a library: what its own program and tests of several rooms start. */
export type { AgentHandlers } from './agent-connection.ts'
export { type Clock, systemClock } from './clock.ts'
export { type Coordinator, type CoordinatorOptions, startCoordinator } from './coordinator.ts'
export { ABSENT, type Change, type Entry, type KeyValueStore, type Write } from './key-value.ts'
export { LmdbStore } from './lmdb-store.ts'
export { MemoryStore } from './memory-store.ts'
export type { EventType as MigrationEventType, StateName as MigrationStateName } from './migration-state.ts'
export { Registry, type RegistryOptions } from './registry.ts'
