/// <reference types="vite/types/importMeta.d.ts" />
/**
 * Goal: what is typed becomes the job that is asked for, or a sentence at its field; a job that is run again is asked for as it was. Method: forms with one
 * wrong field each, and a job with everything there and back.
 */
import type { WorkloadView } from '@godwit/protocol'
import { workloadLike } from '@godwit/protocol/testing'
import { expect, test } from 'vitest'
import { checkRules, rulesFormOf } from './rules-form.ts'
import { BUILT_IN, checkRun, firstForm, OTHER, programsOf, type RunField, type RunForm } from './run-form.ts'

const asked = (form: Partial<RunForm>, jobs: readonly WorkloadView[] = []) => {
  const { builtIn, ofJobs } = programsOf(jobs)
  return checkRun({ ...firstForm(undefined), ...form }, [...builtIn, ...ofJobs])
}

test('the programs that come with Godwit are those that are offered', () => {
  const files = Object.keys(import.meta.glob('../../../trainer/src/programs/*.ts'))
  const names = files.map((file) => file.replace(/.*\//, '').replace('.ts', ''))
  expect([...BUILT_IN].sort()).toEqual(names.filter((name) => !name.includes('.')).sort())
})

test('what is not touched runs the first program wherever there is room', () => {
  expect(asked({}).request).toEqual({
    op: 'run',
    program: 'mnist-mlp',
    parameters: {},
    steps: 1000,
    tracker: 'auto',
    restartPolicy: 'on-failure',
  })
})

test('all of it', () => {
  const { request } = asked({
    program: OTHER,
    other: ' /srv/train.ts ',
    host: 'alder',
    // Of a host that is named there is nothing to say.
    explain: true,
    steps: '20',
    parameters: 'seed=7\n\n name=adam\nflag="true"\n',
    id: 'digits',
    restartPolicy: 'never',
    checkpointSeconds: '1.5',
    rules: { requires: 'disk=fast', with: ['a'], apartFrom: ['b', 'c'] },
  })
  expect(request).toEqual({
    op: 'run',
    program: '/srv/train.ts',
    host: 'alder',
    steps: 20,
    parameters: { seed: 7, name: 'adam', flag: 'true' },
    id: 'digits',
    tracker: 'auto',
    restartPolicy: 'never',
    checkpointEveryMs: 1500,
    rules: { requires: { disk: 'fast' }, with: ['a'], apartFrom: ['b', 'c'] },
  })
  expect(asked({ explain: true }).request).toMatchObject({ explain: true })
})

test.each<[RunField, Partial<RunForm>, RegExp]>([
  ['other', { program: OTHER, other: ' ' }, /^Write the name of a program/],
  ['steps', { steps: '' }, /^Write a whole number/],
  ['steps', { steps: '0' }, /^Write a whole number/],
  ['steps', { steps: '1e3' }, /^Write a whole number/],
  ['steps', { steps: '99999999999999999999' }, /^Write a whole number/],
  ['parameters', { parameters: 'seed=7\nrate' }, /^Line 2: write key=value/],
  ['parameters', { parameters: 'seed=7\nseed=8' }, /^Line 2: seed stands there twice/],
  ['parameters', { parameters: 'rate=1e999' }, /^Line 1: write a number/],
  [
    'parameters',
    { parameters: Array.from({ length: 201 }, (_, i) => `p${i}=1`).join('\n') },
    /^Write 200 parameters/,
  ],
  ['id', { id: '-digits' }, /^Write letters, digits/],
  ['id', { id: 'my digits' }, /^Write letters, digits/],
  ['id', { id: 'd'.repeat(151) }, /150 at most/],
  ['checkpointSeconds', { checkpointSeconds: '0.5' }, /^Write seconds, from 1 to/],
  ['checkpointSeconds', { checkpointSeconds: 'often' }, /^Write seconds/],
  ['requires', { rules: { ...rulesFormOf(), requires: 'fast' } }, /“fast” is none/],
])('%s of %j has a sentence of its own', (field, form, sentence) => {
  const { request, problems } = asked(form)
  expect(request).toBeUndefined()
  expect(Object.keys(problems ?? {})).toEqual([field])
  expect(problems?.[field]).toMatch(sentence)
})

const bundle = { digest: 'd'.repeat(64), bytes: 5 }

test('a job is run again as it was, under another name and wherever there is room', () => {
  const job = workloadLike({
    id: 'faces-1',
    program: 'train.ts',
    bundle,
    parameters: { rate: 0.1, name: '7', deep: true, empty: '' },
    steps: 50,
    restartPolicy: 'never',
    rules: { requires: { disk: 'fast' }, apartFrom: ['digits'] },
  })
  expect(asked(firstForm(job), [job]).request).toEqual({
    op: 'run',
    program: 'train.ts',
    bundle,
    parameters: job.parameters,
    steps: 50,
    tracker: 'auto',
    restartPolicy: 'never',
    rules: job.rules,
  })
})

test('each program of jobs is offered once, that of the latest first; another bundle is another program', () => {
  const newer = { digest: 'e'.repeat(64), bytes: 5 }
  const { ofJobs } = programsOf([
    workloadLike({ id: 'old', program: 'train.ts', bundle, startedAtMs: 1 }),
    workloadLike({ id: 'new', program: 'train.ts', bundle: newer, startedAtMs: 3 }),
    workloadLike({ id: 'same', program: 'train.ts', bundle: newer, startedAtMs: 2 }),
    workloadLike({ id: 'known', program: 'mnist-mlp', startedAtMs: 4 }),
  ])
  expect(ofJobs.map(({ words, bundle }) => [words, bundle])).toEqual([
    ['train.ts, as in new', newer],
    ['train.ts, as in old', bundle],
  ])
})

test('labels are apart by commas or spaces, and one key has one value', () => {
  const rules = (requires: string) => checkRules({ ...rulesFormOf(), requires })
  expect(rules(' disk=fast,gpu=none  zone=east ').rules).toEqual({
    requires: { disk: 'fast', gpu: 'none', zone: 'east' },
  })
  expect(rules('').rules).toEqual({})
  expect(rules('disk=fast disk=slow').problem).toMatch(/^Write disk once/)
  expect(rules(Array.from({ length: 51 }, (_, i) => `k${i}=v`).join(' ')).problem).toMatch(
    /50 labels at most/,
  )
})
