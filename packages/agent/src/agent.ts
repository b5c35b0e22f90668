/**
 * One agent: a host's workers on one side, the coordinator on the other, and messages passed between them.
 *
 * The agent decides nothing about workloads. It starts what it is told to start, relays both ways unchanged, and
 * tells each worker's end once; who owns a workload, and what happens when a worker or a whole host is lost, is the
 * coordinator's. So an agent can be replaced while its workers train: the next one
 * finds them in the data folder and takes them over.
 */
import { availableParallelism } from 'node:os'
import { isLoopback } from '@godwit/channel'
import { type FromAgent, type Labels, LIMITS, OUR_VERSIONS, RELEASE } from '@godwit/protocol'
import { coordinatorSecurity, membershipIn } from '@godwit/trust'
import type { Logger } from 'pino'
import { CoordinatorSource } from './bundle-source.ts'
import { joinOrStay, readCluster, writeCluster } from './cluster-membership.ts'
import { CoordinatorLink, type CoordinatorMessage } from './coordinator-link.ts'
import { makeDataFolder, removeUnusedFolder } from './data-dir.ts'
import { type FolderLock, lockFolder } from './folder-lock.ts'
import { checkHost } from './host-check.ts'
import { becomeMember, checkSecurity, type SecurityOptions, withWayBack } from './host-membership.ts'
import { LinkProbes } from './link-probe.ts'
import { Renewal } from './renewal.ts'
import { UtilisationReports } from './utilisation.ts'
import { Workers, type WorkersOptions } from './workers.ts'

export interface AgentOptions
  extends Omit<WorkersOptions, 'credentialsFolder' | 'bundleRefusal' | 'bundleSource'>,
    SecurityOptions {
  faultDomain: string
  labels?: Labels
  maxJobs?: number
  /** Whether it runs programs that are brought to it; unless said, where nobody on the network could bring one. */
  bundles?: 'accept' | 'refuse'
}

export interface Agent {
  readonly workers: Workers
  /** Settles when the coordinator has accepted the host: later than the start only where workers were taken over. */
  readonly registered: Promise<void>
  /** Ends the workers, tells the coordinator of it, and closes. */
  stop(): Promise<void>
}

/**
 * Settles when the coordinator has accepted the host, or could not yet and there are workers to look after. Errors:
 * those of `checkSecurity`, `lockFolder`, `becomeMember`, `DataDir` and `CoordinatorLink.start`.
 */
export async function startAgent(options: AgentOptions, log: Logger): Promise<Agent> {
  checkSecurity(options)
  const folder = makeDataFolder(options.dataDir)
  try {
    const lock = await lockFolder(folder)
    try {
      return await startLocked(options, { folder, lock }, log)
    } catch (error) {
      await lock.release()
      throw error
    }
  } catch (error) {
    removeUnusedFolder(folder)
    throw error
  }
}

async function startLocked(
  options: AgentOptions,
  { folder, lock }: { folder: string; lock: FolderLock },
  log: Logger,
): Promise<Agent> {
  const credentialsFolder = await becomeMember(options, folder, log)
  const membership = () => (credentialsFolder === undefined ? undefined : membershipIn(credentialsFolder))
  const security = () => {
    const member = membership()
    return member && coordinatorSecurity(member.credentials.authority, member.credentials)
  }
  const send = (message: FromAgent) => link.send(message)
  const workers = new Workers(
    {
      ...options,
      credentialsFolder,
      bundleRefusal: whyNoBundles(options, credentialsFolder !== undefined),
      bundleSource: () => new CoordinatorSource(options.coordinatorUrl, security),
    },
    {
      message: (workerId, message) => send({ type: 'fromWorker', workerId, message }),
      exited: (workerId, error) => {
        send(
          error === undefined
            ? { type: 'workerExited', workerId }
            : { type: 'workerExited', workerId, error },
        )
      },
      printed: send,
      fetching: (workerId, progress) => link.sendNow({ type: 'fetching', workerId, progress }, 2),
    },
    log,
  )
  const probes = new LinkProbes({ ...options, bandwidth: workers.bandwidth, membership, answer: send })
  const renewal =
    credentialsFolder === undefined ? undefined : new Renewal({ folder: credentialsFolder, send, log })
  const reports = new UtilisationReports((utilisation) => send({ type: 'utilisation', utilisation }))
  const link = new CoordinatorLink({
    coordinatorUrl: options.coordinatorUrl,
    security,
    register: () => ({
      type: 'register',
      versions: OUR_VERSIONS,
      name: options.name,
      address: options.address,
      faultDomain: options.faultDomain,
      ...(options.labels !== undefined && { labels: options.labels }),
      ...(options.maxJobs !== undefined && { maxJobs: options.maxJobs }),
      memoryBytes: options.memoryBytes,
      cores: availableParallelism(),
      workers: workers.ids(),
      checkpoints: workers.checkpoints(),
    }),
    accepted: (clusterId) => {
      const held = { workers: workers.ids().length, checkpoints: workers.checkpoints().length }
      if (joinOrStay(readCluster(folder), clusterId, held) === 'join') writeCluster(folder, clusterId)
    },
    registered: () => {
      link.sendNow({ type: 'about', release: RELEASE }, 2)
      reports.start()
    },
    mustGoOn: () => workers.ids().length > 0,
    message: (message) => obey(message, { workers, probes, renewal, send }),
    registeredAgain: () => {
      workers.reconnectAll()
      void renewal?.look()
    },
    log,
  })
  workers.adopt()
  await link.start().catch((error: unknown) => {
    renewal?.close()
    throw credentialsFolder === undefined ? error : withWayBack(error, credentialsFolder)
  })
  void renewal?.look()
  return {
    workers,
    registered: link.registered,
    stop: async () => {
      renewal?.close()
      reports.close()
      await workers.stopAll(LIMITS.stopGraceMs)
      await link.close()
      await lock.release()
    },
  }
}

/** Undefined where it runs them. */
export function whyNoBundles(
  { bundles, coordinatorUrl, name }: AgentOptions,
  isSecured: boolean,
): string | undefined {
  if (bundles === 'accept') return undefined
  if (bundles === 'refuse')
    return `${name} runs no programs that are brought to it: its operator said so (--bundles refuse)`
  const isOurs = isSecured || (URL.canParse(coordinatorUrl) && isLoopback(new URL(coordinatorUrl).hostname))
  if (isOurs) return undefined
  return `${name} runs no programs that are brought to it, since anybody on the network could bring one: secure the cluster (godwit coordinator init), or start its agent with --bundles accept`
}

interface Obedient {
  readonly workers: Workers
  readonly probes: LinkProbes
  readonly renewal: Renewal | undefined
  send(message: FromAgent): void
}

function obey(message: CoordinatorMessage, { workers, probes, renewal, send }: Obedient): void {
  switch (message.type) {
    case 'launch':
      return workers.launch(message.launch)
    case 'toWorker':
      return workers.send(message.workerId, message.message)
    case 'openProbe':
      return probes.open(message)
    case 'dialProbe':
      return probes.dial(message)
    case 'checkHost':
      return void checkHost(workers.bundles, message.bundle).then((host) =>
        send({ type: 'hostChecked', probeId: message.probeId, host }),
      )
    case 'logKept':
      return workers.logs.kept(message.workerId, message.place)
    case 'certificate':
      return renewal?.received(message.certificate)
    case 'deleteCheckpoint':
      return workers.deleteCheckpoint(message.workloadId)
    case 'kill':
      return workers.kill(message.workerId)
  }
}
