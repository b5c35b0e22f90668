import { moveManyTimesTest } from '../support/continuity.suite.ts'

moveManyTimesTest({ program: 'word-embeddings', gap: 100, stepsPerMigration: 400 })
