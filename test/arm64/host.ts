/** An agent that another Node runs than the one that runs the tests: a host of another kind, in a cluster of this machine. */
import { entryFile, nodeArguments } from '@godwit/launch'
import { type Cluster, PROGRAMS } from '../support/cluster.ts'
import { Running } from '../support/processes.ts'

/** Settles when the coordinator has it. Whoever starts it ends it. */
export async function startHost(cluster: Cluster, name: string, node: string): Promise<Running> {
  const flags = ['--coordinator', cluster.url, '--name', name, '--fault-domain', name, '--memory', '1GiB']
  const folders = ['--programs', PROGRAMS, '--data-dir', cluster.dataDir(name)]
  const args = [...nodeArguments(entryFile('agent/main')), ...flags, ...folders]
  const agent = new Running(node, args, { env: { ...process.env, TMPDIR: cluster.temporary } })
  await agent.until(() => agent.lines.length > 0, 'it was registered')
  return agent
}
