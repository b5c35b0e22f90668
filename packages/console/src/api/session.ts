/**
 * Who we are to the coordinator. The token is kept for as long as the tab lives, never in an address, a cookie or what outlives the tab; without
 * one we are whoever an open cluster takes everybody for.
 */
import type { Role } from '@godwit/protocol/light'
import { signal } from '@preact/signals'

const KEY = 'godwit.token'

export interface Session {
  readonly who: string
  readonly role: Role
}

/** Undefined until the coordinator has said it. */
export const session = signal<Session>()

let token: string | undefined = stored()

export function currentToken(): string | undefined {
  return token
}

export function keepToken(text: string | undefined): void {
  token = text
  try {
    if (text === undefined) sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, text)
  } catch {
    // Storage may be forbidden: then the token lasts until the page is loaded again.
  }
}

function stored(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined
  } catch {
    return undefined
  }
}
