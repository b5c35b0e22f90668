/**
 * The attacker of siege.ts, a process of its own: `siege-attacker.ts PORT|SOCKET PATH SECONDS`. Eight connections at once, each doing one thing as often as
 * it can, and again on a new one when it is cut off. Prints how much it got rid of.
 */
import { encodeValue } from '@godwit/protocol'
import { Attacker, frame, upgrade } from '../support/attacker.ts'

const [where = '', path = '/', seconds = '10'] = process.argv.slice(2)
const at = /^\d+$/.test(where) ? { port: Number(where) } : { path: where }
const until = performance.now() + Number(seconds) * 1000
const isOver = (): boolean => performance.now() > until

const counts = { connections: 0, frames: 0 }

const FLOODS: readonly Buffer[] = [
  frame(Buffer.alloc(100), { opcode: 'ping' }),
  frame(encodeValue({ type: 'request', id: 1, request: { op: 'hosts' } })),
  Buffer.concat([
    frame(Buffer.alloc(0), { fin: false }),
    frame(Buffer.alloc(0), { opcode: 'continuation', fin: false }),
  ]),
  frame(Buffer.alloc(100_000, 0x80)),
  Buffer.alloc(1000, 0xa7),
]

async function flood(bytes: Buffer, reads: boolean): Promise<void> {
  while (!isOver()) {
    const attacker = await Attacker.connect(at)
    counts.connections += 1
    attacker.send(upgrade(path))
    if (!reads) attacker.stopReading()
    const over = setTimeout(() => attacker.end(), Math.max(0, until - performance.now()))
    counts.frames += await attacker.flood(bytes, 10_000_000, isOver)
    clearTimeout(over)
    attacker.end()
    // Whoever is refused at once, or finds nobody, does not spin faster than a new connection takes.
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Connections that come and go. */
async function churn(): Promise<void> {
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
console.log(JSON.stringify(counts))
process.exit(0)
