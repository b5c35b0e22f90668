/**
 * Goal: as wire.fuzz.ts, of those who ask for something: clients of the coordinator, what they are answered, and hosts that want to join.
 * Method: messages.ts.
 */
import { clientRequest, fromClient, fromJoiner, REPLIES, toClient, toJoiner } from '@godwit/protocol'
import { z } from 'zod'
import { fuzzMessages } from './messages.ts'

fuzzMessages('clientRequest', clientRequest)
fuzzMessages('fromClient', fromClient)
fuzzMessages('toClient', toClient)
fuzzMessages('replies', z.union(Object.values(REPLIES)))
fuzzMessages('fromJoiner', fromJoiner)
fuzzMessages('toJoiner', toJoiner)
