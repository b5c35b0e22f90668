/** partition.suite.ts says what; a file a pair, so that they run side by side. */
import { partitionSuite } from './partition.suite.ts'

partitionSuite('source', 'coordinator')
