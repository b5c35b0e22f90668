/**
 * Goal: nobody who can send a message to an agent, a worker, or the coordinator as one of them, can do more with it than have it refused.
 * Method: messages.ts, for each schema; and the codec under all of them by itself.
 */
import {
  decodeValue,
  encodeValue,
  fromAgent,
  fromSource,
  fromTarget,
  fromWorker,
  toAgent,
  toWorker,
} from '@godwit/protocol'
import { fuzz, valueOrRefusal } from './fuzzing.ts'
import { checkPlain, fuzzMessages } from './messages.ts'
import { almost } from './mutations.ts'

const values = [
  { type: 'x', list: [1, 2, 3], bytes: new Uint8Array(9), big: 2n ** 80n, zero: -0, nothing: undefined },
  [
    new Float32Array([1, Number.NaN]),
    new Float64Array(2),
    new Int32Array(3),
    new Uint32Array(1),
    -(2n ** 63n),
  ],
  { deep: [[[[[{ a: { b: [{ c: null }] } }]]]]], text: 'é'.repeat(40), half: 0.5, large: 2 ** 40, yes: true },
]
const encoded = values.map((value) => encodeValue(value))
fuzz(
  'wire codec: any bytes are plain data that can be encoded again, or are refused',
  almost(encoded),
  (bytes) => {
    const value = valueOrRefusal(() => decodeValue(bytes), ['bad-message', 'too-large'])
    if (value === undefined) return
    checkPlain(value, bytes.length)
    const again = encodeValue(value)
    if (!encodeValue(decodeValue(again)).equals(again)) throw new Error('it changes from journey to journey')
  },
)

fuzzMessages('fromAgent', fromAgent)
fuzzMessages('toAgent', toAgent)
fuzzMessages('fromWorker', fromWorker)
fuzzMessages('toWorker', toWorker)
fuzzMessages('fromSource', fromSource)
fuzzMessages('fromTarget', fromTarget)
