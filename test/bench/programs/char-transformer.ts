import program from '@godwit/trainer/programs/char-transformer'
import { timed } from './timed.ts'

export default timed(program)
