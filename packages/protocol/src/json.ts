/**
 * JSON that keeps -0, which `JSON.stringify` writes as 0: a loss comes back bit for bit. What JSON has no number for stays out of it by the schemas.
 */

/** Nobody else's text: made anew in each process. */
const MARK = `-0:${crypto.randomUUID()}`

export function toJson(value: unknown): string {
  let isMarked = false
  const text = JSON.stringify(value, (_, each: unknown) => {
    if (!Object.is(each, -0)) return each
    isMarked = true
    return MARK
  })
  return isMarked ? text.replaceAll(`"${MARK}"`, '-0') : text
}
