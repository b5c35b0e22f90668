/**
 * How a host becomes a member of a secured cluster: it dials `/join`, shows a join token and a request for a certificate
 * whose key it has made and keeps, and is given the certificate. One question, one answer, and the connection closes.
 *
 * It knows whom it shows the token to: the token names the authority (`Token.authority`), whose certificate anybody may
 * fetch at `GET /authority`.
 */
import { z } from 'zod'
import { errorReport, label, pem } from './common.ts'
import { LIMITS } from './limits.ts'

export const fromJoiner = z.strictObject({
  type: z.literal('join'),
  token: z.string().max(LIMITS.maxTokenLength),
  /** The host's name; that of no other member. */
  name: label,
  /** PKCS #10. Its key counts; what names it asks for does not. */
  certificateRequest: pem,
})
export type FromJoiner = z.infer<typeof fromJoiner>

export const toJoiner = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('joined'), clusterId: label, certificate: pem }),
  z.strictObject({ type: z.literal('refused'), error: errorReport }),
])
export type ToJoiner = z.infer<typeof toJoiner>
