/**
 * `node --import tsx test/bench/crowd-page.ts [minutes] [hosts] [jobs]`: the console in Chromium, open on a cluster of so many hosts and jobs (60 minutes, 100 and
 * 1,000), all of which go on. Prints each minute what share of a core the page's process takes, and its memory; in turns at the cluster's page and at a
 * job's. The agents are the test's own, so what is measured is the page.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { Viewer } from '../console/browser.ts'
import { CrowdCluster, residentMiBOf } from './crowd-cluster.ts'

const [minutes = 60, hosts = 100, jobs = 1000] = process.argv.slice(2).map(Number)
const MINUTE_MS = 60_000

const crowd = await CrowdCluster.start()
try {
  await crowd.addHosts(hosts)
  await crowd.addJobs(jobs)
  crowd.goOn()
  const viewer = await Viewer.open(crowd.url, '/')
  try {
    await viewer.page.getByText('Live', { exact: true }).waitFor()
    for (let minute = 1; minute <= minutes; minute++) {
      // One page all the time, which goes to another address as it does when a link is followed.
      const path = minute % 2 === 1 ? '/' : '/jobs/j7'
      await viewer.page.evaluate(
        `history.pushState(null, '', '${path}'); dispatchEvent(new PopStateEvent('popstate'))`,
      )
      const before = await renderer(viewer)
      const beganMs = performance.now()
      await delay(MINUTE_MS)
      const after = await renderer(viewer)
      const share = (1000 * (after.cpuSeconds - before.cpuSeconds)) / (performance.now() - beganMs)
      console.log(
        `minute ${minute}, at ${path}: ${(100 * share).toFixed(1)} % of a core, ${after.privateMiB} MiB of its own, ${after.residentMiB} MiB with what it shares`,
      )
    }
  } finally {
    await viewer.close()
  }
} finally {
  await crowd.end()
}

/** The process that draws the page: the busiest, since others stand ready for pages that nobody opens. */
async function renderer(
  viewer: Viewer,
): Promise<{ cpuSeconds: number; privateMiB: number; residentMiB: number }> {
  const session = await viewer.page.context().browser()?.newBrowserCDPSession()
  if (session === undefined) throw new Error('the browser is gone')
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  await session.detach()
  const [busiest] = processInfo
    .filter(({ type }) => type === 'renderer')
    .sort((a, b) => b.cpuTime - a.cpuTime)
  if (busiest === undefined) throw new Error('no process draws the page')
  const status = readFileSync(`/proc/${busiest.id}/status`, 'utf8')
  const [, kib = '0'] = /^RssAnon:\s+(\d+) kB/m.exec(status) ?? []
  return {
    cpuSeconds: busiest.cpuTime,
    privateMiB: Math.round(Number(kib) / 1024),
    residentMiB: residentMiBOf(busiest.id),
  }
}
