/** Whether hosts can be made here. A machine that can't skips, and says why; with CI=true it fails. */
import { whyNot } from '../support/needs.ts'
import { Network } from '../support/netns.ts'

/** Undefined where network namespaces, delays and cuts between them work. */
export async function whyNoNetwork(): Promise<string | undefined> {
  try {
    const network = new Network(['a', 'b'])
    try {
      await network.shape({ delayMs: 1 })
      network.cut('a', 'b')
    } finally {
      network.close()
    }
    return undefined
  } catch (error) {
    return whyNot(() => {
      throw error
    })
  }
}
