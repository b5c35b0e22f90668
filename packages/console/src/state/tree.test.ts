/** Goal: the inventory shows what there is, where it is, and nothing that was not asked for. Method: small clusters, row by row. */
import { hostLike, workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { queryOf } from './search.ts'
import { type TreeOptions, treeRows } from './tree.ts'

const HOSTS = [
  hostLike({ name: 'host-10', faultDomain: 'west' }),
  hostLike({ name: 'host-2', faultDomain: 'west', labels: { disk: 'fast' } }),
  hostLike({ name: 'host-1', faultDomain: 'east/rack-1' }),
]
const JOBS = [
  workloadLike({ id: 'words', host: 'host-1' }),
  workloadLike({ id: 'digits', host: 'host-1' }),
  workloadLike({ id: 'done', host: 'host-2', status: 'finished' }),
  workloadLike({ id: 'broken', host: 'host-2', status: 'failed' }),
]

function shown(options: Partial<TreeOptions> = {}): string[] {
  const rows = treeRows(HOSTS, JOBS, { folded: new Set(), query: queryOf(''), withOver: false, ...options })
  return rows.map(({ level, name }) => `${'  '.repeat(level - 1)}${name}`)
}

test('zones, racks, hosts and jobs, by name', () => {
  expect(shown()).toEqual([
    'east',
    '  rack-1',
    '    host-1',
    '      digits',
    '      words',
    'west',
    '  host-2',
    '    broken',
    '  host-10',
  ])
})

test('jobs that are over are shown when they are asked for, and those that failed anyway', () => {
  expect(shown({ withOver: true })).toContain('    done')
  expect(shown()).not.toContain('    done')
})

test('what is folded hides what is below', () => {
  expect(shown({ folded: new Set(['rack east/rack-1', 'host host-2']) })).toEqual([
    'east',
    '  rack-1',
    'west',
    '  host-2',
    '  host-10',
  ])
})

test.each<[string, string[]]>([
  ['dig', ['east', '  rack-1', '    host-1', '      digits']],
  ['disk=fast', ['west', '  host-2', '    broken', '    done']],
  ['east words', []],
  ['mnist HOST-1', ['east', '  rack-1', '    host-1', '      digits', '      words']],
  ['nothing of the kind', []],
])('searched for %s', (text, rows) => {
  expect(shown({ query: queryOf(text), folded: new Set(['zone east']) })).toEqual(rows)
})

test('rows say where they stand among those beside them, and how many jobs are below', () => {
  const rows = treeRows(HOSTS, JOBS, { folded: new Set(), query: queryOf(''), withOver: false })
  const words = rows.find(({ key }) => key === 'job words')
  expect(words).toMatchObject({ level: 4, position: 2, siblings: 2, parent: 'host host-1' })
  expect(words?.isOpen).toBeUndefined()
  expect(rows.find(({ key }) => key === 'zone east')).toMatchObject({ jobCount: 2, isOpen: true })
  expect(rows.find(({ key }) => key === 'zone west')).toMatchObject({ jobCount: 0 })
})
