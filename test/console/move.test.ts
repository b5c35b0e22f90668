/**
 * Goal: a person starts a real training job, watches its loss, moves it by the wizard, by dragging and by the keyboard, and sees that its
 * curve goes on with a mark on it, and how the move went.
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
    job = await cluster.run('mnist-mlp', 'alder', 'digits', '--steps', '1000000')
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
    await viewer.page.getByRole('img', { name: /pages/ }).first().waitFor()
    await viewer.picture('moving')
    await viewer.isAccessible()
    await viewer.button('Switch over').click()
    await job.until(
      () => job.migrations.some(({ to, status }) => to === 'alder' && status === 'completed'),
      'it came to alder',
    )
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
