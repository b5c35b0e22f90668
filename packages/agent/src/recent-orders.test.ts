/** Goal: what a worker that stood still has missed is sent again, and nothing older. Method: examples on a clock of numbers. */
import { LIMITS, type ToWorker } from '@godwit/protocol'
import { expect, test } from 'vitest'
import { RecentOrders } from './recent-orders.ts'

const release = { type: 'release', migrationId: 'm' } as const
const stop = { type: 'stop' } as const
const acknowledge = (step: number): ToWorker => ({ type: 'acknowledge', step })

test('the newest of each kind, in the order in which they were sent, once', () => {
  const orders = new RecentOrders()
  const sent = [acknowledge(1), release, acknowledge(2), stop]
  for (const order of sent) orders.sent(order, 100)
  orders.lost(100)
  expect(orders.takeUnheard()).toEqual([release, acknowledge(2), stop])
  expect(orders.takeUnheard()).toEqual([])
})

test('nothing where no connection was lost, nor what was sent long before', () => {
  const orders = new RecentOrders()
  orders.sent(release, 0)
  expect(orders.takeUnheard()).toEqual([])
  orders.sent(stop, LIMITS.heartbeatTimeoutMs)
  orders.lost(2 * LIMITS.heartbeatTimeoutMs + 1)
  expect(orders.takeUnheard()).toEqual([stop])
})
