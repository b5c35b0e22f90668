import { moveManyTimesTest } from '../support/continuity.suite.ts'

moveManyTimesTest({ program: 'mnist-mlp', gap: 25, stepsPerMigration: 40 })
