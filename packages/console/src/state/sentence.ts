/** What the coordinator says, as it stands on a page. */
import { asSentence } from '../format/units.ts'
import { hosts, jobs } from './store.ts'

/** It begins with a capital, unless it begins with the name of a host or a job. */
export function sentence(text: string): string {
  return asSentence(text, (word) => hosts.peek(word) !== undefined || jobs.peek(word) !== undefined)
}
