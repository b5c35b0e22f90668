/** A secured coordinator in this process, with a clock whose calendar the test turns, and whoever calls on it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Credentials, DialOptions } from '@godwit/channel'
import { type AuditEntry, encodeValue, type Role } from '@godwit/protocol'
import {
  coordinatorSecurity,
  createAuthority,
  fingerprintOf,
  joinCluster,
  type KeyRequest,
  makeRequest,
  type SigningAuthority,
} from '@godwit/trust'
import { type Clock, systemClock } from '../clock.ts'
import { type Coordinator, startCoordinator } from '../coordinator.ts'
import { MemoryStore } from '../memory-store.ts'
import { KEYS } from '../records.ts'
import { writeAuthority } from '../security/authority-file.ts'
import { Tokens } from '../security/tokens.ts'
import { FakeAgent, FakeClient } from './fakes.ts'

export const CLUSTER = 'cluster-test'

export class SecuredCluster {
  readonly folder: string
  readonly store: MemoryStore
  readonly authority: SigningAuthority
  /** Whole, by role; and one to join with. */
  readonly tokens: Readonly<Record<Role | 'join', string>>
  readonly #timers = new Set<{ delayMs: number; action(): void }>()
  #aheadMs = 0
  #coordinator: Coordinator | undefined

  private constructor(
    folder: string,
    store: MemoryStore,
    authority: SigningAuthority,
    tokens: Record<Role | 'join', string>,
  ) {
    this.folder = folder
    this.store = store
    this.authority = authority
    this.tokens = tokens
  }

  static async start(): Promise<SecuredCluster> {
    const folder = mkdtempSync(join(tmpdir(), 'godwit-secured-'))
    const store = new MemoryStore()
    await store.put(KEYS.cluster, encodeValue(CLUSTER))
    const authority = await createAuthority(CLUSTER, Date.now())
    writeAuthority(folder, { ...authority, addresses: ['coordinator.test'] })
    const fingerprint = fingerprintOf(authority.certificate)
    const tokens = await Tokens.open({ store, fingerprint, now: Date.now })
    const api = async (role: Role): Promise<string> => (await tokens.make({ kind: 'api', role })).token
    const cluster = new SecuredCluster(folder, store, authority, {
      viewer: await api('viewer'),
      operator: await api('operator'),
      admin: await api('admin'),
      join: (await tokens.make({ kind: 'join' })).token,
    })
    await cluster.listen()
    return cluster
  }

  async listen(): Promise<void> {
    const clock: Clock = {
      ...systemClock,
      calendarMs: () => Date.now() + this.#aheadMs,
      after: (delayMs, action) => {
        const timer = { delayMs, action }
        this.#timers.add(timer)
        return () => this.#timers.delete(timer)
      },
    }
    this.#coordinator = await startCoordinator({ port: 0, folder: this.folder, store: this.store, clock })
  }

  get port(): number {
    return this.#coordinator?.port ?? 0
  }

  get url(): string {
    return `wss://127.0.0.1:${this.port}`
  }

  /** The coordinator's calendar goes on by so much. */
  turnCalendar(byMs: number): void {
    this.#aheadMs += byMs
  }

  /** What waits for exactly so long does now. */
  fire(delayMs: number): void {
    for (const timer of [...this.#timers]) {
      if (timer.delayMs !== delayMs) continue
      this.#timers.delete(timer)
      timer.action()
    }
  }

  /** How many wait for exactly so long. */
  waits(delayMs: number): number {
    return [...this.#timers].filter((timer) => timer.delayMs === delayMs).length
  }

  dialOptions(credentials?: Credentials, token?: string): DialOptions {
    const security = coordinatorSecurity(this.authority.certificate, credentials)
    return token === undefined ? { security } : { security, token }
  }

  client(token?: string): Promise<FakeClient> {
    return FakeClient.connect(this.port, this.dialOptions(undefined, token))
  }

  /** With the token of a role. */
  as(role: Role): Promise<FakeClient> {
    return this.client(this.tokens[role])
  }

  /** With a key of its own, unless it is told which. */
  async join(name: string, token = this.tokens.join, request?: KeyRequest): Promise<Credentials> {
    const options = { token, name, makeRequest: request === undefined ? makeRequest : async () => request }
    return (await joinCluster({ coordinatorUrl: this.url, ...options })).credentials
  }

  agent(name: string, credentials?: Credentials): Promise<FakeAgent> {
    return FakeAgent.connect(this.port, name, this.dialOptions(credentials))
  }

  async audit(admin: FakeClient): Promise<AuditEntry[]> {
    return (await admin.ask({ op: 'audit', limit: 1000 })).entries
  }

  async close(): Promise<void> {
    await this.#coordinator?.close()
    this.#coordinator = undefined
  }

  async end(): Promise<void> {
    await this.close()
    rmSync(this.folder, { recursive: true })
  }
}
