/**
 * Goal: table, chart and command line say what they are given, and nothing that is not known. Method: summaries written by hand,
 * looked for in the text.
 */
import { describe, expect, it } from 'vitest'
import { helpText, Misuse, parseArguments } from './arguments.ts'
import { renderChart } from './chart.ts'
import { summarize } from './figures.ts'
import { runLike } from './fixtures.ts'
import { renderTable } from './table.ts'

const moved = summarize([runLike({ downtimeMs: 12.34, floorMs: 4 })])
const restarted = summarize([
  runLike({ method: 'restart', downtimeMs: 1500, report: null, stepSlowdown: null }),
])
const onCluster = summarize([
  runLike({ link: 'a<b', floorMs: null, ratioToFloor: null, rawTcpBytesPerSecond: null }),
])

describe('the table', () => {
  it('has a head and a line for each row, cells under their heads', () => {
    const [head = '', first = '', second = '', ...more] = renderTable([moved, restarted]).split('\n')
    expect(more).toEqual([])
    expect(first).toContain('12.3 (12.3 to 12.3)')
    const column = (name: string): number => head.indexOf(name) + name.length
    expect(first.slice(0, column('floor')).endsWith(' 4.0')).toBe(true)
    expect(second.slice(0, column('total')).endsWith(' -')).toBe(true)
  })

  it('says nothing of what is not known', () => {
    expect(renderTable([onCluster])).not.toMatch(/null|NaN|undefined/)
  })
})

describe('the chart', () => {
  const bars = (svg: string): number[] =>
    [...svg.matchAll(/<rect x="250" y="\d+" width="([\d.]+)" height="12" fill="#(?:1f6feb|8b949e)"\/>/g)]
      .map(([, width]) => Number(width))
      .filter((width) => width !== 12)

  it('has a bar of the downtime and one of the floor for each row, the longer the longer', () => {
    const svg = renderChart([moved, restarted])
    const [movedBar, movedFloor, restartedBar, restartedFloor] = bars(svg) as [number, number, number, number]
    expect(bars(svg)).toHaveLength(4)
    expect(movedFloor).toBeLessThan(movedBar)
    expect(movedBar).toBeLessThan(restartedBar)
    expect(restartedFloor).toBeLessThan(restartedBar)
    expect(svg).toContain('sparse, loopback, restart')
    expect(svg).toContain('>12.3<')
    expect(svg).toContain('>1500<')
  })

  it('leaves the floor out where there is none, and escapes names', () => {
    const svg = renderChart([onCluster])
    expect(bars(svg)).toHaveLength(1)
    expect(svg).toContain('sparse, a&lt;b, precopy')
    expect(svg).not.toMatch(/null|NaN|Infinity/)
  })
})

describe('the command line', () => {
  it('takes cases, links and methods, and hands the rest to the migration', () => {
    const args = parseArguments(
      '--case adam --case mnist-mlp --link wan --method stopcopy --runs 3 --park-point boundary --streams 4 --downtime-limit-ms 7.5'.split(
        ' ',
      ),
    )
    expect(args).toMatchObject({
      links: ['wan'],
      methods: ['stopcopy'],
      runs: 3,
      options: { parkPoint: 'boundary', streams: 4, downtimeLimitMs: 7.5 },
      cluster: undefined,
      rest: undefined,
    })
    expect(args?.cases.map(({ name }) => name)).toEqual(['adam', 'mnist-mlp'])
  })

  it('takes a program to compare at rest', () => {
    const args = parseArguments(['--case', 'rest', '--program', 'word-embeddings'])
    expect(args).toMatchObject({ cases: [], rest: { name: 'word-embeddings' } })
  })

  it('makes a synthetic case smaller, with all that it writes', () => {
    const [small] = parseArguments(['--case', 'dense', '--arena-mib', '8'])?.cases ?? []
    expect(small).toMatchObject({ parameters: { arenaMib: 8 }, dirtyBytesPerStep: 8 * 2 ** 20 })
  })

  it.each([
    '--case nothing',
    '--link lan',
    '--method teleport',
    '--runs 0',
    '--runs 1.5',
    '--runs x',
    '--streams 99',
    '--codec gzip',
    '--tracker soft-dirty',
    '--from a',
    '--from a --to b --method restart',
    '--program mnist-mlp',
    '--unknown',
  ])('refuses %s', (line) => {
    expect(() => parseArguments(line.split(' '))).toThrow(Misuse)
  })

  it('states every case and its downtime limit in its help', () => {
    expect(parseArguments(['--help'])).toBeUndefined()
    expect(helpText()).toMatch(/runaway .*downtime limit \d+ ms/)
  })
})
