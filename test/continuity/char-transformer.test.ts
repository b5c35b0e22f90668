import { moveManyTimesTest } from '../support/continuity.suite.ts'

moveManyTimesTest({
  program: 'char-transformer',
  gap: 3,
  stepsPerMigration: 6,
  parameters: { batchSize: 2, validateEvery: 50 },
})
