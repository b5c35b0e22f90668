/** What siege.ts attacks for comparison: a process that takes connections and reads, and is not ours. Prints its port. */
import { createServer } from 'node:net'

const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.resume()
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(address.port)
})
