/**
 * The attacker of siege.ts, a process of its own that lives through all attacks, so that none begins with its start. Each line on stdin is one: a port or
 * a socket, a path, and for how many milliseconds. Eight connections at once, each doing one thing as often as it can, and again on a new one when it is
 * cut off. Prints how much it got rid of, a line for each attack.
 */
import { createInterface } from 'node:readline'
import { encodeValue } from '@godwit/protocol'
import { Attacker, frame, upgrade } from '../support/attacker.ts'

export interface Attack {
  readonly at: { readonly port: number } | { readonly path: string }
  /** Of the request. */
  readonly path: string
  readonly ms: number
}

export interface Counts {
  readonly connections: number
  readonly frames: number
}

const FLOODS: readonly Buffer[] = [
  frame(Buffer.alloc(100), { opcode: 'ping' }),
  frame(encodeValue({ type: 'request', id: 1, request: { op: 'hosts' } })),
  frame(
    Buffer.from(JSON.stringify({ type: 'request', id: 1, request: { op: 'unfollow', workload: 'job' } })),
    {
      opcode: 'text',
    },
  ),
  Buffer.concat([
    frame(Buffer.alloc(0), { fin: false }),
    frame(Buffer.alloc(0), { opcode: 'continuation', fin: false }),
  ]),
  frame(Buffer.alloc(100_000, 0x80)),
  Buffer.alloc(1000, 0xa7),
]

async function attack({ at, path, ms }: Attack): Promise<Counts> {
  const counts = { connections: 0, frames: 0 }
  const untilMs = performance.now() + ms
  const isOver = (): boolean => performance.now() > untilMs

  const flood = async (bytes: Buffer, reads: boolean): Promise<void> => {
    while (!isOver()) {
      const attacker = await Attacker.connect(at)
      counts.connections += 1
      attacker.send(upgrade(path))
      if (!reads) attacker.stopReading()
      const over = setTimeout(() => attacker.end(), Math.max(0, untilMs - performance.now()))
      counts.frames += await attacker.flood(bytes, 10_000_000, isOver)
      clearTimeout(over)
      attacker.end()
      // Whoever is refused at once, or finds nobody, does not spin faster than a new connection takes.
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }
  /** Connections that come and go. */
  const churn = async (): Promise<void> => {
    while (!isOver()) {
      const attacker = await Attacker.connect(at)
      counts.connections += 1
      attacker.end()
      await attacker.closed
    }
  }
  await Promise.all([
    ...FLOODS.map((bytes) => flood(bytes, true)),
    flood(FLOODS[0] as Buffer, false),
    churn(),
    churn(),
  ])
  return counts
}

for await (const line of createInterface({ input: process.stdin }))
  console.log(JSON.stringify(await attack(JSON.parse(line) as Attack)))
