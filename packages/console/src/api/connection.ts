/**
 * The page's acquaintance with the coordinator, through lost connections: who we are is asked first, then everything is watched; what was watched
 * goes on from its cursor with the next connection, so that nothing is missed and nothing told twice.
 *
 * Invariants: one connection at a time; a token that is refused is not tried again until a person gives another one.
 */
import type { ToClient } from '@godwit/protocol'
import { type ErrorKind, LIMITS } from '@godwit/protocol/light'
import { signal } from '@preact/signals'
import { collect, startAnew } from '../state/inbox.ts'
import { ask, type Refusal } from './ask.ts'
import { LiveConnection, type LiveRequest } from './live.ts'
import { currentToken, keepToken, session } from './session.ts'

export type ConnectionState =
  | { readonly phase: 'connecting' }
  | { readonly phase: 'live' }
  /** What is shown is as old as `sinceMs` (of `Date.now`). */
  | { readonly phase: 'lost'; readonly sinceMs: number; readonly reason: string }
  | { readonly phase: 'signedOut'; readonly reason: string | undefined }

export const connection = signal<ConnectionState>({ phase: 'connecting' })

/** Something that is asked for over each connection anew, and hears what comes of it. */
export interface Subscription {
  /** Asked now, with each new connection again. */
  begin(): LiveRequest
  /** Asked when nobody wants it any more. */
  end?(): LiveRequest
  heard(message: Exclude<ToClient, { type: 'reply' | 'failed' | 'changes' }>): void
  /** It was refused. */
  refused?(error: Refusal): void
}

/** With which a coordinator says that it will not have us. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set<ErrorKind>([
  'unauthorized',
  'token-expired',
  'token-revoked',
  'forbidden',
  'bad-arguments',
])

const subscriptions = new Set<Subscription>()
let live: LiveConnection | undefined
let isWatching = false
let cursor: string | undefined
let failures = 0
let retry: ReturnType<typeof setTimeout> | undefined
/** A connection that an earlier token opened says nothing to anybody. */
let generation = 0

export function connect(): void {
  clearTimeout(retry)
  const mine = ++generation
  live?.close()
  void begin(mine)
}

export function signIn(token: string): void {
  keepToken(token)
  failures = 0
  connection.value = { phase: 'connecting' }
  connect()
}

export function signOut(): void {
  keepToken(undefined)
  generation++
  clearTimeout(retry)
  live?.close()
  signedOut(undefined)
}

/** Returns how to end it. */
export function subscribe(subscription: Subscription): () => void {
  subscriptions.add(subscription)
  if (isWatching) beginOne(subscription)
  return () => {
    subscriptions.delete(subscription)
    const request = subscription.end?.()
    if (request !== undefined && isWatching) live?.ask(request).catch(() => {})
  }
}

async function begin(mine: number): Promise<void> {
  try {
    const who = await ask({ op: 'session' })
    if (mine !== generation) return
    session.value = who
  } catch (error) {
    if (mine !== generation) return
    const { kind, message } = error as Refusal
    if (REFUSALS.has(kind)) return signedOut(currentToken() === undefined ? undefined : message)
    return lost(mine, message)
  }
  const opened: LiveConnection = new LiveConnection(tokenProtocols(currentToken()), {
    opened: () => void watch(mine, opened),
    heard: (message) => {
      if (mine === generation) hear(message)
    },
    lost: () => lost(mine, 'the connection to the coordinator is lost'),
  })
  live = opened
}

/** A browser can set no header of a WebSocket but this one. */
function tokenProtocols(token: string | undefined): string[] {
  return token === undefined ? [] : ['godwit', `godwit.token.${token}`]
}

async function watch(mine: number, opened: LiveConnection): Promise<void> {
  try {
    const asked = opened.ask({ op: 'watch', ...(cursor !== undefined && { after: cursor }) })
    const { isReset } = (await asked) as { isReset: boolean }
    if (mine !== generation) return
    if (isReset) startAnew()
    isWatching = true
    failures = 0
    connection.value = { phase: 'live' }
    for (const each of subscriptions) beginOne(each)
  } catch (error) {
    if (mine !== generation) return
    if (REFUSALS.has((error as Refusal).kind)) signedOut((error as Refusal).message)
    opened.close()
  }
}

function beginOne(subscription: Subscription): void {
  live?.ask(subscription.begin()).catch((error: Refusal) => {
    if (error.kind !== 'connection-lost') subscription.refused?.(error)
  })
}

function hear(message: Exclude<ToClient, { type: 'reply' | 'failed' }>): void {
  if (message.type !== 'changes') {
    for (const each of subscriptions) each.heard(message)
    return
  }
  cursor = message.cursor
  collect(message.changes, message.isCurrent)
}

function lost(mine: number, reason: string): void {
  if (mine !== generation) return
  isWatching = false
  live = undefined
  const before = connection.peek()
  const sinceMs = before.phase === 'lost' ? before.sinceMs : Date.now()
  connection.value = { phase: 'lost', sinceMs, reason }
  retry = setTimeout(connect, delayMs(failures++))
}

function delayMs(failed: number): number {
  const fullMs = Math.min(LIMITS.maxReconnectDelayMs, LIMITS.reconnectDelayMs * 2 ** Math.min(failed, 20))
  return fullMs * (0.5 + Math.random() / 2)
}

function signedOut(reason: string | undefined): void {
  keepToken(undefined)
  generation++
  isWatching = false
  live?.close()
  live = undefined
  session.value = undefined
  startAnew()
  cursor = undefined
  connection.value = { phase: 'signedOut', reason }
}
