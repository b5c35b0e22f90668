import { moveManyTimesTest } from '../support/continuity.suite.ts'

moveManyTimesTest({
  program: 'char-transformer',
  gap: 3,
  stepsPerMigration: 8,
  parameters: { batchSize: 2, validateEvery: 50 },
})
