/**
 * Bytes over HTTP: an operator uploads manifests and chunks, an agent fetches them. Both are idempotent by nature, since what is put, or
 * got, is named by its digest; so neither is in the audit log, where `run` says which bundle is run. What is refused is.
 *
 * Who asks is looked at before a byte of a body is read.
 */
import {
  AGENT_BLOBS_PATH,
  BUNDLES_PATH,
  CHUNKS_PATH,
  GodwitError,
  LIMITS,
  mayAsk,
  ROLE_NEEDED,
} from '@godwit/protocol'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { BundleStore } from '../bundle-store.ts'
import type { Session } from '../security/door.ts'

export interface BundleRoutes {
  readonly bundles: BundleStore
  /** Errors: why whoever asks may not. */
  session(request: FastifyRequest, reply: FastifyReply): Session
  /** Errors: why it is no host of this cluster. */
  host(request: FastifyRequest, reply: FastifyReply): void
  refused(session: Session, error: GodwitError): Promise<void>
}

const BYTES = 'application/octet-stream'

/** In a scope of their own: nothing else is given bytes. */
export async function defineBundleRoutes(app: FastifyInstance, routes: BundleRoutes): Promise<void> {
  const { bundles } = routes
  app.addContentTypeParser(BYTES, { parseAs: 'buffer' }, (_, body, done) => done(null, body))
  const onRequest = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const session = routes.session(request, reply)
    if (mayAsk(session.role, 'run')) return
    const error = new GodwitError(
      'forbidden',
      `to upload needs the role ${ROLE_NEEDED.run}, and token ${session.who} is a ${session.role}'s: use another token`,
    )
    await routes.refused(session, error)
    throw error
  }
  app.put(
    `${BUNDLES_PATH}/:digest`,
    { config: { op: 'putBundle' }, onRequest, bodyLimit: LIMITS.maxBundleManifestBytes },
    async (request) => ({ missing: await bundles.putManifest(digestIn(request), bytesIn(request)) }),
  )
  app.put(
    `${CHUNKS_PATH}/:digest`,
    { config: { op: 'putChunk' }, onRequest, bodyLimit: LIMITS.bundleChunkBytes },
    async (request, reply) => {
      await bundles.putChunk(digestIn(request), bytesIn(request))
      return reply.code(204).send()
    },
  )
  app.get(
    `${AGENT_BLOBS_PATH}/:digest`,
    {
      config: { op: 'getBlob' },
      onRequest: async (request, reply) => routes.host(request, reply),
    },
    async (request, reply) => reply.type(BYTES).send(await bundles.read(digestIn(request))),
  )
}

function digestIn({ params }: FastifyRequest): string {
  const { digest } = params as { digest: string }
  if (/^[0-9a-f]{64}$/.test(digest)) return digest
  throw new GodwitError('bad-message', 'what is uploaded is named by its SHA-256 in hex')
}

function bytesIn({ body }: FastifyRequest): Uint8Array {
  if (body instanceof Uint8Array) return body
  throw new GodwitError('bad-message', `send bytes, with Content-Type: ${BYTES}`)
}
