export type { WebSocket } from 'ws'
export { Channel, type ChannelHandlers, type ChannelOptions } from './channel.ts'
export { type DialOptions, dial, type Listener, type ListenOptions, listen } from './sockets.ts'
