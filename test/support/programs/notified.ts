/**
 * `mixer`, told of its moves: it writes down what it hears into `toldFile`, and answers the first notice there as the first of `answers` says, and so
 * on: `never` (more steps than anybody waits for), `throw`, or a number of steps.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { defineProgram } from '@godwit/worker/contract'
import mixer from './mixer.ts'

export default defineProgram<{ step: number; sum: number }>({
  name: 'notified',
  parameters: { ...mixer.parameters, toldFile: '', answers: '' },
  async setup(context) {
    const steps = await mixer.setup(context)
    const toldFile = String(context.parameters.toldFile)
    const noticesBefore = (): number =>
      existsSync(toldFile) ? readFileSync(toldFile, 'utf8').split('onMigrating').length - 1 : 0
    return {
      ...steps,
      onMigrating(notice) {
        const answer = String(context.parameters.answers).split(',')[noticesBefore()]
        appendFileSync(toldFile, `${JSON.stringify({ hook: 'onMigrating', ...notice })}\n`)
        if (answer === 'throw') throw new Error('asked to fail in onMigrating')
        return { afterSteps: answer === 'never' ? 1_000_000 : Number(answer) }
      },
      onStaying() {
        appendFileSync(toldFile, `${JSON.stringify({ hook: 'onStaying' })}\n`)
      },
    }
  },
})
