import program from '@godwit/trainer/programs/word-embeddings'
import { timed } from './timed.ts'

export default timed(program)
