/** Goal: a page of this origin may ask, and no other, whatever it has a browser say. Method: a table of what browsers send. */
import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { fromElsewhere } from './origin.ts'

const LOOPBACK = { isSecured: false, listensAt: '127.0.0.1' }
const INSECURE = { isSecured: false, listensAt: '0.0.0.0' }
const SECURED = { isSecured: true, listensAt: '0.0.0.0' }

test.each([
  ['no page', LOOPBACK, undefined, '127.0.0.1:7070'],
  ['nobody says a name', LOOPBACK, undefined, undefined],
  ['our own page', LOOPBACK, 'http://127.0.0.1:7070', '127.0.0.1:7070'],
  ['our own page, by name', LOOPBACK, 'http://localhost:7070', 'localhost:7070'],
  ['our own page, by the other protocol’s address', LOOPBACK, 'http://[::1]:7070', '[::1]:7070'],
  ['what ends TLS before us', LOOPBACK, 'https://localhost', 'localhost'],
  ['an address', INSECURE, 'http://10.0.0.7:7070', '10.0.0.7:7070'],
  ['a name of this network', INSECURE, undefined, 'coordinator:7070'],
  ['this machine', INSECURE, undefined, hostname()],
  ['the name that it listens at', { ...INSECURE, listensAt: 'gw.example' }, undefined, 'GW.example:7070'],
  ['our own page, secured', SECURED, 'https://gw.example:7070', 'gw.example:7070'],
  ['the usual port is not said', SECURED, 'https://gw.example', 'GW.EXAMPLE:443'],
  ['a program, secured, by any name', SECURED, undefined, 'gw.example:7070'],
])('%s may ask', (_, here, origin, host) => {
  expect(fromElsewhere({ origin, host }, here)).toBeUndefined()
})

test.each([
  ['a page elsewhere', LOOPBACK, 'https://a.page', '127.0.0.1:7070'],
  ['a page of this machine, another port', LOOPBACK, 'http://127.0.0.1:8080', '127.0.0.1:7070'],
  ['another name of this machine', LOOPBACK, 'http://localhost:7070', '127.0.0.1:7070'],
  ['a name that leads here', LOOPBACK, 'http://a.page:7070', 'a.page:7070'],
  ['a name that leads here, without an origin', LOOPBACK, undefined, 'a.page:7070'],
  ['one that begins as ours', LOOPBACK, undefined, 'localhost.a.page:7070'],
  ['one that begins as an address', LOOPBACK, undefined, '127.0.0.1.a.page:7070'],
  ['one that looks like an address', INSECURE, undefined, '10.0.0.7.a.page'],
  ['a sandboxed page, or a file', LOOPBACK, 'null', '127.0.0.1:7070'],
  ['an extension', LOOPBACK, 'moz-extension://127.0.0.1:7070', '127.0.0.1:7070'],
  ['rubbish', LOOPBACK, 'http://', '127.0.0.1:7070'],
  ['a page that names nobody', LOOPBACK, 'http://localhost', undefined],
  ['a name that leads here, open to others', INSECURE, 'http://a.page:7070', 'a.page:7070'],
  ['a page elsewhere, secured', SECURED, 'https://a.page', 'gw.example:7070'],
  ['a page that was changed on its way, secured', SECURED, 'http://gw.example:7070', 'gw.example:7070'],
  ['a page of the host, another port, secured', SECURED, 'https://gw.example', 'gw.example:7070'],
])('%s may not', (_, here, origin, host) => {
  expect(fromElsewhere({ origin, host }, here)).toMatchObject({ kind: 'forbidden' })
})
