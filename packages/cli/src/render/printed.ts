/** A program's line, as it may be shown at a terminal: it says what it likes, and moves no cursor. */
import { stripVTControlCharacters } from 'node:util'

/** All control characters but tabs, C1 included, and those that change the direction in which the rest is read. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant.
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g

/** Colours are left out, all else that is no text is written as `\u001b`. */
export function renderPrinted(text: string): string {
  return stripVTControlCharacters(text).replace(
    CONTROL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
