/**
 * Goal: in a secured cluster nobody sees anything without a token, a viewer sees everything and may change nothing, an operator may; no token
 * is ever in an address, and nothing of a program's output is run.
 * Method: a real secured cluster over TLS with a token of each role; Chromium.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Cluster } from '../support/cluster.ts'
import { Viewer, whyNoBrowser } from './browser.ts'

const skipped = whyNoBrowser()

describe.skipIf(skipped !== undefined)(`the console of a secured cluster ${skipped ?? ''}`, () => {
  let cluster: Cluster
  let viewer: Viewer | undefined
  beforeAll(async () => {
    cluster = await Cluster.start([{ name: 'alder' }, { name: 'birch' }], { secured: true })
    await cluster.run('mixer', 'alder', 'mixing', '--steps', '1000000', '--param', 'stepMs=20')
  })
  afterEach(async () => {
    const last = viewer
    viewer = undefined
    await last?.close()
  })
  afterAll(() => cluster?.end())

  async function tokenOf(role: string): Promise<string> {
    const { said, err } = await cluster.godwit('token', 'create', '--role', role)
    if (said.token === undefined) throw new Error(`no token: ${err}`)
    return said.token
  }

  async function signIn(seen: Viewer, token: string): Promise<void> {
    await seen.page.getByLabel('API token').fill(token)
    await seen.button('Sign in').click()
  }

  test('without a token nothing is shown, and a wrong one is refused with a reason', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/mixing')
    viewer.tolerate(/40[01]|WebSocket connection/)
    await viewer.page.getByLabel('API token').waitFor()
    expect(await viewer.page.content()).not.toContain('alder')
    await viewer.isAccessible()
    await viewer.picture('sign-in')
    await signIn(viewer, `gwa1.${'A'.repeat(60)}`)
    await viewer.page.getByRole('alert').filter({ hasText: /\S/ }).waitFor()
    expect(await viewer.page.content()).not.toContain('alder')
  })

  test('a viewer sees all of it and is offered nothing that changes anything', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/mixing')
    viewer.tolerate(/40[01]|WebSocket connection/)
    await signIn(viewer, await tokenOf('viewer'))
    await viewer.figure('Loss').waitFor()
    await viewer.row('birch').waitFor()
    for (const name of ['Migrate…', 'Stop…', 'Checkpoint now', 'Change rules…'])
      expect(await viewer.button(name).count()).toBe(0)
    expect(await viewer.row('mixing').getAttribute('draggable')).not.toBe('true')
    await viewer.row('birch').click()
    await viewer.page.getByRole('heading', { name: 'birch' }).waitFor()
    for (const name of ['Enter maintenance…', 'Run a job…']) expect(await viewer.button(name).count()).toBe(0)
    await viewer.page.keyboard.press('r')
    expect(await viewer.page.getByRole('dialog').count()).toBe(0)
    // Whoever asks all the same is refused.
    const answer = await viewer.page.evaluate(async () => {
      const body = JSON.stringify({ options: {} })
      const headers = { 'content-type': 'application/json' }
      return (await fetch('/api/v1/workloads/mixing/migrations', { method: 'POST', headers, body })).status
    })
    expect(answer).toBe(401)
  })

  test('an operator moves the job, and signs out', async () => {
    viewer = await Viewer.open(cluster.url, '/jobs/mixing')
    viewer.tolerate(/40[01]|WebSocket connection/)
    await signIn(viewer, await tokenOf('operator'))
    await viewer.button('Migrate…').click()
    const wizard = viewer.page.getByRole('dialog')
    await wizard.getByRole('radio', { name: /^birch/ }).check()
    // However busy the machine is, its move does not wait for a quiet moment.
    await wizard.getByLabel('Downtime limit', { exact: true }).fill('30000')
    await wizard.getByRole('button', { name: /^Migrate/ }).click()
    await wizard.getByText('Close', { exact: true }).click()
    // The page tells: commands that ask again and again would take from the target the core that it needs.
    await viewer.page.getByRole('region', { name: 'Moves' }).getByText('completed').waitFor()
    expect((await cluster.workload('mixing')).host).toBe('birch')
    await viewer.page.reload()
    await viewer.figure('Loss').waitFor()
    await viewer.button('Sign out').click()
    await viewer.page.getByLabel('API token').waitFor()
    expect(await viewer.page.content()).not.toContain('alder')
  })
})
