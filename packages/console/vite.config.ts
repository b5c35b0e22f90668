/**
 * The console as files: one page, its script and its style, without a request elsewhere. `npm run dev -w @godwit/console` serves it with a
 * coordinator at GODWIT_COORDINATOR (http://127.0.0.1:7070 unless said) behind it.
 *
 * Nothing is inlined: the coordinator's content security policy runs no script and takes no style that stands in the page.
 */
import { defineConfig, type HttpProxy } from 'vite'

const coordinator = (process.env.GODWIT_COORDINATOR ?? 'http://127.0.0.1:7070').replace(/^ws/, 'http')

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { proxy: { '/api': { target: coordinator, ws: true, configure: withoutOrigin } } },
  build: {
    target: 'es2023',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    emptyOutDir: true,
    reportCompressedSize: false,
  },
})

/** A coordinator answers no page of another origin, which this one is while it is developed. */
function withoutOrigin(proxy: HttpProxy.Server): void {
  for (const event of ['proxyReq', 'proxyReqWs'] as const)
    proxy.on(event, (request) => request.removeHeader('origin'))
}
