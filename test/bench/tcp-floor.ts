/**
 * The floor under a downtime: the same bytes over a raw TCP socket between two processes, and one byte back. Measured
 * in the same run as what stands beside it, because this machine is not the same machine from one minute to the next.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'

const WRITE_BYTES = 256 * 1024

/** Milliseconds to send `bytes` and hear that all arrived: the median of `runs`. */
export async function tcpFloorMs(bytes: number, runs: number): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const child = fork(fileURLToPath(import.meta.url), [String(port), String(bytes)], {
    execArgv: ['--import', 'tsx'],
  })
  const [socket] = (await once(server, 'connection')) as [Socket]
  const chunk = Buffer.alloc(WRITE_BYTES, 7)
  const timesMs: number[] = []
  for (let run = 0; run < runs; run++) {
    const beganMs = performance.now()
    for (let left = bytes; left > 0; left -= WRITE_BYTES)
      socket.write(chunk.subarray(0, Math.min(left, WRITE_BYTES)))
    await once(socket, 'data')
    timesMs.push(performance.now() - beganMs)
  }
  socket.destroy()
  server.close()
  await once(child, 'exit')
  return timesMs.toSorted((a, b) => a - b)[Math.floor(runs / 2)] as number
}

function receive(port: number, bytes: number): void {
  let received = 0
  const socket = connect(port, '127.0.0.1')
  socket.on('data', (data) => {
    received += data.length
    if (received < bytes) return
    received -= bytes
    socket.write('k')
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  receive(Number(process.argv[2]), Number(process.argv[3]))
