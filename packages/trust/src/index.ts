/** Trust: a cluster's authority, the certificates that it issues, and how a host comes by one. */
export { clusterIdOf, createAuthority, fingerprintOf, type SigningAuthority } from './authority.ts'
export {
  type IssueOptions,
  issueCertificate,
  type KeyRequest,
  keyDigestOf,
  makeRequest,
  nextLookMs,
  renewalDue,
  serialOf,
} from './certificate.ts'
export { readCredentials, replaceFile, writeCredentials } from './credentials-file.ts'
export { coordinatorSecurity, fetchAuthority, joinCluster } from './joining.ts'
export { forgetJoiningKey, keyToJoinWith } from './joining-key.ts'
export { hostSecurity, type Membership, membershipIn, membershipOf, whyNotHost } from './membership.ts'
