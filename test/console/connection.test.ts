/**
 * Goal: who looks at the console while the coordinator goes and comes is told that what is shown is old, and sees all that is new afterwards,
 * without doing anything. A host is emptied and filled again from its page.
 * Method: a real cluster whose coordinator is killed and started again at its address; Chromium.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Cluster, type Follower } from '../support/cluster.ts'
import { Viewer, whyNoBrowser } from './browser.ts'

const skipped = whyNoBrowser()

describe.skipIf(skipped !== undefined)(`the console over time ${skipped ?? ''}`, () => {
  let cluster: Cluster
  let job: Follower
  let viewer: Viewer | undefined
  beforeAll(async () => {
    cluster = await Cluster.start([{ name: 'alder' }, { name: 'birch' }], { isDurable: true })
    job = await cluster.run('mixer', 'alder', 'mixing', '--steps', '1000000', '--param', 'stepMs=20')
  })
  afterEach(async () => {
    const last = viewer
    viewer = undefined
    await last?.close()
  })
  afterAll(() => cluster?.end())

  test('a host is emptied, and gets its job back', async () => {
    viewer = await Viewer.open(cluster.url, '/hosts/alder')
    await viewer.button('Enter maintenance…').click()
    const asked = viewer.page.getByRole('dialog')
    await asked.getByText(/can go/).waitFor()
    await viewer.isAccessible()
    await asked.getByRole('button', { name: 'Enter maintenance' }).click()
    await viewer.page.getByText('The host is empty: it can be worked on').waitFor()
    await viewer.picture('maintenance')
    expect((await cluster.workload('mixing')).host).toBe('birch')
    await viewer.button('Exit maintenance…').click()
    const back = viewer.page.getByRole('dialog')
    await back.getByRole('checkbox').check()
    await back.getByRole('button', { name: /^Exit maintenance/ }).click()
    await job.until(
      () => job.migrations.some(({ to, status }) => to === 'alder' && status === 'completed'),
      'the job is back',
    )
  })

  test('a coordinator that goes and comes: what is shown is said to be old, and then is new', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/mixing')
    viewer.tolerate(/ERR_CONNECTION|WebSocket connection|Failed to load resource|Failed to fetch/)
    await viewer.page.getByText('Live', { exact: true }).waitFor()
    await cluster.killCoordinator()
    await viewer.page.getByText('The connection to the coordinator is lost.').waitFor()
    await viewer.picture('offline')
    const old = await viewer.figure('Step').innerText()
    await cluster.startCoordinator(true)
    await viewer.page.getByText('Live', { exact: true }).waitFor()
    await expect
      .poll(() => viewer?.page.getByText('The connection to the coordinator is lost.').count())
      .toBe(0)
    await expect.poll(() => viewer?.figure('Step').innerText(), { timeout: 60_000 }).not.toBe(old)
  })
})
