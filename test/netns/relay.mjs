/**
 * Lets the test, which is on no host, speak to the coordinator: a process on the coordinator's host that is handed a listening
 * socket of the test's own network, and passes on what arrives there. `relay.mjs ADDRESS PORT`; ends with the test.
 */
import { connect } from 'node:net'

const [address, port] = process.argv.slice(2)

process.once('message', (_, listener) => {
  listener.on('connection', (near) => {
    const far = connect(Number(port), address)
    near.pipe(far).pipe(near)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
  })
  process.send?.('ready')
})
process.once('disconnect', () => process.exit(0))
