export type { WebSocket } from 'ws'
export { reconnectDelayMs } from './backoff.ts'
export { Channel, type ChannelHandlers, type ChannelOptions } from './channel.ts'
export { armCrashPoints, type CrashRole, crashPoint } from './crash-point.ts'
export { FrameReader } from './frame-reader.ts'
export { FrameWriter, HEADER_ROOM } from './frame-writer.ts'
export { type HttpAccess, type HttpAnswer, HttpPeer, type HttpQuestion } from './http.ts'
export { roundTripOf } from './round-trip.ts'
export { type Credentials, type DialSecurity, isLoopback, type Peer } from './secure.ts'
export {
  type BulkAddress,
  type BulkHandlers,
  bracketed,
  type DialOptions,
  dial,
  dialBulk,
  fetchUnverified,
  type Listener,
  type ListenOptions,
  listen,
  type Visitor,
} from './sockets.ts'
