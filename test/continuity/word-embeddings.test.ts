import { moveManyTimesTest } from '../support/continuity.suite.ts'

moveManyTimesTest({ program: 'word-embeddings', gap: 300, stepsPerMigration: 650 })
