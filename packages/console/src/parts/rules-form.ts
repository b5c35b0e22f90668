/** Placement rules as they are typed and picked, and back. What contradicts what is the coordinator's to say: it knows the other jobs' rules. */
import type { PlacementRules } from '@godwit/protocol'
import { LIMITS, parseLabel } from '@godwit/protocol/light'

export interface RulesForm {
  /** Labels that the host must have, apart by spaces or commas. */
  readonly requires: string
  readonly with: readonly string[]
  readonly apartFrom: readonly string[]
}

export function rulesFormOf({
  requires = {},
  with: together = [],
  apartFrom = [],
}: PlacementRules = {}): RulesForm {
  const labels = Object.entries(requires).map(([key, value]) => `${key}=${value}`)
  return { requires: labels.join(', '), with: together, apartFrom }
}

export type CheckedRules =
  | { readonly rules: PlacementRules; readonly problem: undefined }
  | { readonly rules: undefined; readonly problem: string }

/** `problem`: of the labels; the rest is picked from what there is. */
export function checkRules(form: RulesForm): CheckedRules {
  const requires: Record<string, string> = {}
  for (const text of form.requires.split(/[\s,]+/).filter(Boolean)) {
    const label = labelIn(text)
    if (label === undefined) return wrong(`Write labels as key=value, like disk=fast: “${text}” is none.`)
    const [key, value] = label
    if (Object.hasOwn(requires, key) && requires[key] !== value)
      return wrong(`Write ${key} once: no host has both ${key}=${requires[key]} and ${text}.`)
    requires[key] = value
  }
  const count = Object.keys(requires).length
  if (count > LIMITS.maxLabels) return wrong(`Write ${LIMITS.maxLabels} labels at most: these are ${count}.`)
  const { with: together, apartFrom } = form
  return {
    problem: undefined,
    rules: {
      ...(count > 0 && { requires }),
      ...(together.length > 0 && { with: [...together] }),
      ...(apartFrom.length > 0 && { apartFrom: [...apartFrom] }),
    },
  }
}

function wrong(problem: string): CheckedRules {
  return { rules: undefined, problem }
}

function labelIn(text: string): readonly [string, string] | undefined {
  try {
    return parseLabel(text)
  } catch {
    return undefined
  }
}
