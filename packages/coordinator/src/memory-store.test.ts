/** Goal and method: see key-value.suite.ts. */
import { describe } from 'vitest'
import { keyValueSuite } from './key-value.suite.ts'
import { MemoryStore } from './memory-store.ts'

describe('the store in memory', () => keyValueSuite(async () => new MemoryStore()))
