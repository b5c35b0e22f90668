/**
 * A list that may be longer than a message: so many of it, from where the one who asks has come to.
 *
 * Invariants: by names in their order, so that what comes and goes between two pages neither hides nor repeats anything else; a page is not
 * empty while there is more.
 */
import { encodeValue, LIMITS } from '@godwit/protocol'

export interface Paged<Item, View> {
  readonly nameOf: (item: Item) => string
  readonly viewOf: (item: Item) => View
  /** The last name of the page before; undefined for the first. */
  readonly after: string | undefined
  /** Entries that are wanted; `maxListed` unless given. */
  readonly limit?: number | undefined
}

export interface Page<View> {
  readonly views: View[]
  /** Empty, or `after` of the next page: as it stands in a reply. */
  readonly rest: { next?: string }
}

export function pageOf<Item, View>(
  items: Iterable<Item>,
  { nameOf, viewOf, after, limit = LIMITS.maxListed }: Paged<Item, View>,
): Page<View> {
  const left = [...items]
    .filter((item) => after === undefined || nameOf(item) > after)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  const views: View[] = []
  let bytes = 0
  let last: string | undefined
  for (const item of left) {
    const view = viewOf(item)
    bytes += encodeValue(view).length
    const isFull = views.length >= limit || bytes > LIMITS.maxListedBytes
    if (isFull && last !== undefined) return { views, rest: { next: last } }
    views.push(view)
    last = nameOf(item)
  }
  return { views, rest: {} }
}
