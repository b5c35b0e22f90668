/**
 * Which pages in a browser may ask: the console, which comes from here, and no other.
 *
 * No cookie is used and nothing else that a browser adds by itself, so a page elsewhere could ask no more than any stranger; in an open cluster that is
 * everything. A browser says where a page is from (`Origin`; always with a WebSocket), and what it was told that it calls (`Host`). A page of
 * this origin has both the same. One that gives itself a name that leads here (DNS rebinding) has too, so in an open cluster the
 * name is looked at as well: one that nobody outside can have chosen.
 */
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { isLoopback } from '@godwit/channel'
import { GodwitError } from '@godwit/protocol'

/** Of a request, as they came. */
export interface Called {
  readonly origin?: string | undefined
  readonly host?: string | undefined
}

export interface CalledHere {
  /** TLS is spoken, and every request shows a token. */
  readonly isSecured: boolean
  /** Where the coordinator listens: an address or a name. */
  readonly listensAt: string
}

/** Why whoever called may not ask: `forbidden`. */
export function fromElsewhere({ origin, host }: Called, here: CalledHere): GodwitError | undefined {
  if (origin !== undefined && !isSameOrigin(origin, host, here))
    return new GodwitError(
      'forbidden',
      'pages of other origins may not ask: use the page that the coordinator serves, or the godwit command',
    )
  const name = nameIn(host)
  if (here.isSecured || name === '' || mayBeCalled(name, here.listensAt)) return undefined
  const names = isLoopback(here.listensAt) ? '127.0.0.1 or localhost' : 'its address'
  return new GodwitError(
    'forbidden',
    `this coordinator, which is not secured, is asked at ${names}, not at ${name.slice(0, 100)}`,
  )
}

/** What ends TLS before us may speak plainly with us, so without TLS of our own either scheme will do. */
function isSameOrigin(origin: string, host: string | undefined, { isSecured }: CalledHere): boolean {
  if (host === undefined || !URL.canParse(origin)) return false
  const { protocol, host: from } = new URL(origin)
  const isWeb = protocol === 'https:' || (protocol === 'http:' && !isSecured)
  return isWeb && URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === from
}

/** Without the port. */
function nameIn(host: string | undefined): string {
  return (host ?? '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()
}

/**
 * A name with a dot in it may be anybody's; an address, a name of this network alone, this machine's own and the one that it was told to listen at
 * are not.
 */
function mayBeCalled(name: string, listensAt: string): boolean {
  if (isLoopback(name)) return true
  if (isLoopback(listensAt)) return false
  return (
    isIP(name) !== 0 ||
    !name.includes('.') ||
    [listensAt, hostname()].some((own) => own.toLowerCase() === name)
  )
}
