/**
 * Makes a failing plan smaller while it still breaks the same invariant: halves of what goes wrong and of what is asked
 * for are left out, then quarters, down to single ones (A. Zeller, delta debugging).
 */
import type { Command, Fault, Plan } from './plan.ts'

type Part = { readonly fault: Fault } | { readonly command: Command }

/** `fails`: whether the plan still breaks it. At most `tries` of them are asked. */
export async function shrink(
  plan: Plan,
  fails: (smaller: Plan) => Promise<boolean>,
  tries = 300,
): Promise<Plan> {
  let parts: Part[] = [
    ...plan.faults.map((fault) => ({ fault })),
    ...plan.commands.map((command) => ({ command })),
  ]
  let left = tries
  let size = Math.ceil(parts.length / 2)
  while (size >= 1 && left > 0) {
    let isSmaller = false
    for (let at = 0; at < parts.length && left > 0; ) {
      const without = [...parts.slice(0, at), ...parts.slice(at + size)]
      left -= 1
      if (await fails(planOf(plan, without))) {
        parts = without
        isSmaller = true
      } else at += size
    }
    if (size === 1 && !isSmaller) break
    size = size === 1 ? 1 : Math.ceil(size / 2)
  }
  return planOf(plan, parts)
}

function planOf(plan: Plan, parts: readonly Part[]): Plan {
  return {
    ...plan,
    faults: parts.flatMap((part) => ('fault' in part ? [part.fault] : [])),
    commands: parts.flatMap((part) => ('command' in part ? [part.command] : [])),
  }
}

/** Two sentences are of the same kind when they begin with the same invariant. */
export function sameInvariant(a: string | undefined, b: string | undefined): boolean {
  const invariant = (text: string): string | undefined => text.split(':')[0]
  return a !== undefined && b !== undefined && invariant(a) === invariant(b)
}
