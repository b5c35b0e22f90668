/**
 * Reads a program's parameters. They come from a person, so each is checked once, in `setup`, where a refusal
 * costs nothing: a sentence that names the parameter and what it may be.
 */
import type { SetupContext } from '@godwit/worker/contract'

/** What a number may be; the bounds belong to the range. */
export interface NumberRange {
  min: number
  max: number
  integer?: boolean
}

/** Seeds of 32 bits, the width of a random key. */
export const SEED_RANGE: NumberRange = { min: 0, max: 2 ** 32 - 1, integer: true }

/** @throws RangeError when the parameter is missing, not a finite number, or outside its range. */
export function numberParameter(context: SetupContext, name: string, range: NumberRange): number {
  const value = context.parameters[name]
  const { min, max, integer = false } = range
  if (typeof value === 'number' && value >= min && value <= max && (!integer || Number.isInteger(value)))
    return value
  throw new RangeError(
    `Parameter ${name} is ${String(value)}: it must be ${integer ? 'an integer' : 'a number'} from ${min} to ${max}.`,
  )
}
