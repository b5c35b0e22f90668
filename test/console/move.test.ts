/**
 * Goal: a person starts a real training job, watches its loss, says where it may be, moves it by the wizard, by dragging and by the keyboard, and
 * sees that its curve goes on with a mark on it, and how the move went.
 * Method: a real cluster whose job trains MNIST; Chromium on the coordinator's own page, which is asked what it shows by what a person, or
 * a screen reader, is told.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Cluster, type Follower } from '../support/cluster.ts'
import { Viewer, whyNoBrowser } from './browser.ts'

const skipped = whyNoBrowser()

describe.skipIf(skipped !== undefined)(`a job moves, seen from the console ${skipped ?? ''}`, () => {
  let cluster: Cluster
  let job: Follower
  let viewer: Viewer | undefined
  beforeAll(async () => {
    cluster = await Cluster.start([{ name: 'alder' }, { name: 'birch' }, { name: 'cedar' }])
    await cluster.run('mixer', 'birch', 'mixing', '--steps', '1000000', '--param', 'stepMs=50')
  })
  afterEach(async () => {
    const last = viewer
    viewer = undefined
    await last?.close()
  })
  afterAll(() => cluster?.end())

  /** The number of its moves that are over, as its page lists them. */
  async function completed(seen: Viewer): Promise<number> {
    return seen.page.getByRole('region', { name: 'Moves' }).getByText('completed').count()
  }

  test('a job is started: what makes no sense is said before it is asked for, and its page is shown when it trains', async () => {
    viewer = await Viewer.open(cluster.url)
    await viewer.row('mixing').waitFor()
    await viewer.page.keyboard.press('r')
    const dialog = viewer.page.getByRole('dialog', { name: 'Run a job' })
    await dialog.getByLabel('Program', { exact: true }).selectOption({ label: 'mnist-mlp' })
    await dialog.getByLabel('Host', { exact: true }).selectOption('alder')
    await dialog.getByLabel('Name', { exact: true }).fill('digits')
    await dialog.getByLabel('Steps', { exact: true }).fill('1000000')
    await dialog.getByLabel('Parameters', { exact: true }).fill('seed')
    await dialog.getByRole('button', { name: 'Run' }).click()
    await dialog.getByText('Line 1: write key=value').waitFor()
    await viewer.isAccessible()
    await viewer.picture('run')
    await dialog.getByLabel('Parameters', { exact: true }).fill('seed=7')
    await dialog.getByRole('button', { name: 'Run' }).click()
    await viewer.page.waitForURL('**/jobs/digits')
    expect(await viewer.figure('seed').innerText()).toBe('7')
    job = cluster.follow('digits')
    await job.reached(0)
  })

  test('the inventory, and a loss that falls while one looks', async () => {
    viewer = await Viewer.open(cluster.url)
    for (const name of ['alder', 'birch', 'cedar', 'digits', 'mixing']) await viewer.row(name).waitFor()
    const paintedMs = await viewer.page.evaluate<number>(
      "performance.getEntriesByName('first-contentful-paint')[0].startTime",
    )
    console.log(`  first paint after ${paintedMs.toFixed(0)} ms (bar 1000, with nothing else on the machine)`)
    await viewer.isAccessible()
    await viewer.picture('cluster')
    await viewer.row('digits').click()
    await expect.poll(() => new URL(viewer?.page.url() ?? '').pathname).toBe('/jobs/digits')
    const step = async (): Promise<number> =>
      Number(((await viewer?.figure('Step').innerText()) ?? '').split(' of ')[0]?.replace(/\D/g, ''))
    const before = await step()
    await viewer.until(async () => (await step()) > before + 50, 'the step counter goes on')
    expect(await viewer.figure('Loss').innerText()).toMatch(/^\d/)
    await viewer.isAccessible()
  })

  test('where it may be is changed while it runs: what contradicts itself is refused, what its host breaks is said', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/digits')
    viewer.tolerate(/status of 400/)
    const { page } = viewer
    const dialog = page.getByRole('dialog', { name: 'Placement rules of digits' })
    const rules = page.getByRole('region', { name: 'Placement rules' })
    await viewer.button('Change rules…').click()
    await dialog.getByLabel('On one host with', { exact: true }).selectOption('mixing')
    await dialog.getByLabel('Never on one host with', { exact: true }).selectOption('mixing')
    await dialog.getByRole('button', { name: 'Change rules' }).click()
    await dialog.getByText('digits cannot be with mixing and apart from it').waitFor()
    await viewer.isAccessible()
    await viewer.picture('rules')
    await dialog.getByRole('button', { name: 'Leave out mixing' }).last().click()
    await dialog.getByRole('button', { name: 'Change rules' }).click()
    await rules.getByText(/birch/).waitFor()
    await viewer.isAccessible()
    await viewer.button('Change rules…').click()
    await dialog.getByRole('button', { name: 'Leave out mixing' }).click()
    await dialog.getByRole('button', { name: 'Change rules' }).click()
    await rules.getByText('It may be on any host.').waitFor()
  })

  test('moved by the wizard: the curve goes on with a mark, and the report says how', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/digits')
    await viewer.button('Migrate…').click()
    const wizard = viewer.page.getByRole('dialog')
    await wizard.getByRole('radio', { name: /^birch/ }).check()
    await viewer.until(
      async () => (await wizard.innerText()).includes('downtime'),
      'what is expected of the move is shown before one says yes',
    )
    await viewer.isAccessible()
    await viewer.picture('wizard')
    await wizard.getByRole('button', { name: /^Migrate/ }).click()
    await wizard.getByText('Close', { exact: true }).click()
    await job.migrationIs('completed')
    const seen = viewer
    await seen.until(async () => (await completed(seen)) === 1, 'the move is in the list')
    await job.goesOn()
    await seen.until(
      async () => (await seen.page.getByRole('button', { name: /alder.*birch.*show the steps/ }).count()) > 0,
      'the move is marked on the curve',
    )
    await seen.picture('job')
    await seen.page.getByRole('region', { name: 'Moves' }).getByRole('link').first().click()
    await seen.page
      .getByText(/downtime/i)
      .first()
      .waitFor()
    await seen.isAccessible()
    await seen.picture('report')
  })

  test('moved by dragging it onto a host', async () => {
    viewer = await Viewer.open(cluster.url)
    await viewer.row('digits').dragTo(viewer.row('cedar'))
    const wizard = viewer.page.getByRole('dialog')
    await expect.poll(() => wizard.getByRole('radio', { name: /^cedar/ }).isChecked()).toBe(true)
    await wizard.getByRole('button', { name: /^Migrate/ }).click()
    await job.until(
      () => job.migrations.some(({ to, status }) => to === 'cedar' && status === 'completed'),
      'it came to cedar',
    )
    const seen = viewer
    await seen.until(
      async () => (await seen.page.getByRole('contentinfo').innerText()).includes('cedar'),
      'the task is at the foot',
    )
  })

  test('moved by the keyboard alone, and held, looked at while it moves, and let go', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/digits')
    await viewer.row('digits').waitFor()
    await viewer.page.getByRole('tree').focus()
    await viewer.page.keyboard.press('m')
    const wizard = viewer.page.getByRole('dialog')
    await wizard.waitFor()
    await wizard.getByRole('radio', { name: /^alder/ }).check()
    await wizard.getByRole('checkbox', { name: /Hold/ }).check()
    await wizard.getByRole('button', { name: /^Migrate/ }).click()
    await wizard.getByText('Close', { exact: true }).click()
    await job.migrationIs('preSwitchover')
    // Steps go on, and what they write is seen.
    await viewer.page.getByRole('img', { name: /dirtied again/ }).waitFor()
    await viewer.picture('moving')
    await viewer.isAccessible()
    await viewer.button('Switch over').click()
    await job.until(
      () => job.migrations.some(({ to, status }) => to === 'alder' && status === 'completed'),
      'it came to alder',
    )
  })

  test('stopped, and run again as it was, where there is most room, with why', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/mixing')
    await viewer.button('Stop…').click()
    await viewer.page.getByRole('dialog').getByRole('button', { name: 'Stop job' }).click()
    await viewer.button('Run again…').click()
    const dialog = viewer.page.getByRole('dialog')
    await dialog.getByLabel('Name', { exact: true }).fill('mixing-again')
    await dialog.getByRole('checkbox', { name: /Say of each host why/ }).check()
    await dialog.getByRole('button', { name: 'Run' }).click()
    await dialog.getByRole('button', { name: 'To mixing-again' }).waitFor()
    expect(await dialog.getByRole('row').count()).toBe(4)
    await viewer.isAccessible()
    await viewer.picture('placement')
    await viewer.page.keyboard.press('Enter')
    await viewer.page.waitForURL('**/jobs/mixing-again')
    expect((await cluster.workload('mixing-again')).parameters).toEqual({ stepMs: 50 })
  })

  test.each([
    ['dark', { colorScheme: 'dark' }],
    ['narrow', { width: 360, height: 740 }],
  ] as const)('it reads as well: %s', async (name, looks) => {
    viewer = await Viewer.open(cluster.url, '/jobs/digits', looks)
    await viewer.page.getByRole('heading', { name: 'digits' }).waitFor()
    await viewer.figure('Loss').waitFor()
    const { width } = looks as { width?: number }
    if (width !== undefined)
      expect(await viewer.page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(
        width,
      )
    await viewer.isAccessible()
    await viewer.picture(`job-${name}`)
  })
})
