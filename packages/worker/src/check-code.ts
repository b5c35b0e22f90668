/**
 * What a program's own code names that gives other bits elsewhere: clocks, randomness, and functions of `Math` that are
 * only approximated.
 *
 * Running a program twice on one machine can't show that `Math.exp` has other bits on another CPU, so here the code is
 * read instead: bundled, so that helper modules are in and comments are out, and each find is traced back to the
 * author's line. What is named may never be called, or only in a log line: a find is a warning, never a failure.
 */
import { SourceMap, type SourceMapPayload } from 'node:module'
import { dirname, resolve } from 'node:path'
import { build } from 'esbuild'
import { placeOf, type Remark } from './check-findings.ts'

/** Measured: other bits on x86-64 and arm64, or on two releases of Node. `**` is `Math.pow`. */
const DIFFERING = new Set(
  'exp expm1 log1p log2 pow sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh'.split(' '),
)

/** Defined to the last bit by IEEE 754 or by the language, or given by it as a constant. */
const EXACT = new Set(
  (
    'sqrt fround f16round floor ceil round trunc abs sign min max imul clz32 ' +
    'E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2'
  ).split(' '),
)

/** What gives other values each time, or on each host. */
const CHANCE = [
  /\bMath\s*\.\s*random\b/g,
  /\bDate\s*\.\s*now\b|\bnew\s+Date\b/g,
  /\bperformance\s*\.\s*(?:now|timeOrigin)\b/g,
  /\bprocess\s*\.\s*(?:hrtime|uptime|cpuUsage|memoryUsage|pid|env)\b/g,
  /\bcrypto\s*\.\s*(?:random\w+|getRandomValues)\b|\brandom(?:Bytes|UUID|Int|FillSync)\b/g,
]
const MATH = /\bMath\s*\.\s*\w+\b/g
/** Taken apart or under another name: `const { exp } = Math`, `Math['exp']`. */
const HIDDEN_MATH = /=\s*Math\b(?!\s*[.[])|\bMath\s*\[/g
/** With what stands on either side of it. */
const POWER = /([\w.$)\]]*)\s*\*\*=?\s*(-?[\w.$(]*)/g
const WRITTEN_OUT = /^-?\d[\d._]*n?$/

interface Find {
  readonly text: string
  readonly place: string
}

/** A warning with each find and its lines, or what was looked for. Errors: esbuild's. */
export async function checkCode(programFile: string): Promise<string | Remark> {
  const { code, placeAt } = await bundleWithPlaces(programFile)
  const found = (pattern: RegExp): Find[] =>
    [...code.matchAll(pattern)].map(({ 0: text, index }) => ({ text: text.trim(), place: placeAt(index) }))
  const math = found(MATH).filter(({ text }) => text !== 'Math.random' && !EXACT.has(functionIn(text)))
  const powers = [...code.matchAll(POWER)]
    .filter((match) => !match.slice(1).every((side) => WRITTEN_OUT.test(side)))
    .map(({ index }) => ({ text: '**', place: placeAt(index) }))
  const hidden = found(HIDDEN_MATH).map(({ text, place }) => ({
    text: text.startsWith('=') ? 'Math under another name' : 'Math[...]',
    place,
  }))
  const warnings = [
    ...said(CHANCE.flatMap(found), 'in init or in a step, gives other bits each time'),
    ...said(
      [...math.filter(({ text }) => DIFFERING.has(functionIn(text))), ...powers],
      'gives other bits on another CPU or Node: take it from a WASM library (jax-js), a table or a series',
    ),
    ...said(
      [...math.filter(({ text }) => !DIFFERING.has(functionIn(text))), ...hidden],
      'is not defined to the last bit, and no test here can show that its bits agree elsewhere',
    ),
  ]
  if (warnings.length > 0) return { status: 'warning', message: warnings.join('; ') }
  return 'names no clock, no randomness and no inexact function of Math'
}

/** `Math.exp (model.ts:12, model.ts:30), Math.sin (model.ts:31) has other bits ...` */
function said(finds: readonly Find[], what: string): string[] {
  if (finds.length === 0) return []
  const places = new Map<string, Set<string>>()
  for (const { text, place } of finds) {
    const known = places.get(text) ?? new Set()
    places.set(text, known.add(place))
  }
  const each = [...places].map(([text, at]) => `${text} (${[...at].slice(0, 3).join(', ')})`)
  return [`${each.join(', ')}: ${what}`]
}

function functionIn(mathCall: string): string {
  return mathCall.replace(/^Math\s*\.\s*/, '')
}

async function bundleWithPlaces(
  programFile: string,
): Promise<{ code: string; placeAt: (offset: number) => string }> {
  const folder = dirname(programFile)
  const { outputFiles } = await build({
    entryPoints: [programFile],
    absWorkingDir: folder,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    write: false,
    outdir: folder,
    sourcemap: 'external',
    // Takes comments out.
    minifyWhitespace: true,
    legalComments: 'none',
    logLevel: 'silent',
  })
  const textOf = (ending: string): string =>
    outputFiles.find(({ path }) => path.endsWith(ending))?.text as string
  const code = textOf('.js')
  const map = new SourceMap(JSON.parse(textOf('.map')) as SourceMapPayload)
  const placeAt = (offset: number): string => {
    const before = code.slice(0, offset).split('\n')
    const entry = map.findEntry(before.length - 1, before.at(-1)?.length ?? 0)
    if (!('originalSource' in entry)) return 'code'
    return `${placeOf(resolve(folder, entry.originalSource))}:${entry.originalLine + 1}`
  }
  return { code, placeAt }
}
