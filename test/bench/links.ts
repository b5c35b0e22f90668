/**
 * What lies between the two hosts: nothing (`loopback`), or a link of a stated rate and delay between two network
 * namespaces, where this machine and user can make one.
 */
import type { RigPlace } from '@godwit/testkit'
import { openShapedLink } from '../support/netns.ts'

const MBIT = 1_000_000

export interface Link {
  readonly name: string
  /** The first is where a job starts. Both ways the link is the same. */
  readonly ends: readonly [RigPlace, RigPlace]
  /** Removes whatever was made for it. */
  close(): void
}

const SHAPES: Readonly<Record<string, { bitsPerSecond: number; delayMs: number; text: string }>> = {
  '1gbit': { bitsPerSecond: 1000 * MBIT, delayMs: 0, text: '1 Gbit/s' },
  '100mbit': { bitsPerSecond: 100 * MBIT, delayMs: 0, text: '100 Mbit/s' },
  wan: { bitsPerSecond: 200 * MBIT, delayMs: 20, text: '200 Mbit/s, 20 ms each way' },
}

export const LINK_NAMES: readonly string[] = ['loopback', ...Object.keys(SHAPES)]

/** Throws an error that says why where there can be no such link. */
export async function openLink(name: string): Promise<Link> {
  const shape = SHAPES[name]
  if (shape === undefined) {
    const here: RigPlace = { command: [], host: '127.0.0.1' }
    return { name, ends: [here, here], close: () => {} }
  }
  const { ends, close } = await openShapedLink(shape)
  return { name, ends, close }
}
