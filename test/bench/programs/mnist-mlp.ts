import program from '@godwit/trainer/programs/mnist-mlp'
import { timed } from './timed.ts'

export default timed(program)
