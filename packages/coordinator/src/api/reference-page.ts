/**
 * The API for people: one page made from its OpenAPI description. It runs no script and fetches nothing, so it works wherever the
 * coordinator is reached, and there is nothing in it to attack or to keep up to date.
 */
import type { OpenApi, Operation } from './openapi.ts'

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222; background: #fff }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { background: #f4f4f2; padding: .6rem .8rem; overflow-x: auto; border-radius: 4px }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .2rem; border-top: 1px solid #ddd; padding-top: 1rem }
table { border-collapse: collapse } td, th { text-align: left; padding: .15rem 1.2rem .15rem 0; vertical-align: top }
details { margin: .4rem 0 } summary { cursor: pointer }
.GET { color: #1a5fb4 } .POST { color: #26733a } .DELETE { color: #a51d2d }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1b } pre { background: #262626 } h2 { border-color: #444 } a { color: #8ab4f8 } }
`

export function renderReference({ info, paths, components }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
  const rows = operations.map(
    ({ path, method, operation: { operationId, summary } }) =>
      `<tr><td><code class="${method}">${method}</code></td><td><a href="#${operationId}"><code>${escaped(path)}</code></a></td><td>${escaped(summary)}</td></tr>`,
  )
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => `<h2 id="${name}">${name}</h2>${jsonBlock(schema)}`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(info.title)} API</title><style>${STYLE}</style></head>
<body><h1>${escaped(info.title)} API</h1>
<p>For programs: <a href="/api/v1/openapi.json">openapi.json</a>. A token stands in the header <code>Authorization: Bearer gwa1...</code>, where the cluster is secured.
A POST or DELETE with an <code>Idempotency-Key</code> is done once, however often it is sent. Lists come a page at a time: <code>next</code> of one is <code>after</code> of the next.</p>
<p>${escaped(info.description)}</p>
<table>${rows.join('\n')}</table>
${operations.map(renderOperation).join('\n')}
<h1>Schemas</h1>
${schemas.join('\n')}
</body></html>
`
}

interface Shown {
  readonly path: string
  readonly method: string
  readonly operation: Operation
}

function renderOperation({ path, method, operation }: Shown): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation
  const named = parameters.map(
    ({ name, in: where, required, schema }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${where}${required ? '' : ', optional'}</td><td><code>${escaped(JSON.stringify(schema))}</code></td></tr>`,
  )
  const answers = Object.entries(responses).flatMap(([status, { content = {} }]) =>
    Object.values(content)
      .filter(() => status !== 'default')
      .map(({ schema }) => folded(`${status}: what it answers`, schema)),
  )
  return `<h2 id="${operationId}"><code class="${method}">${method}</code> <code>${escaped(path)}</code></h2>
<p>${escaped(summary)}. ${escaped(description)}</p>
${named.length === 0 ? '' : `<table>${named.join('\n')}</table>`}
${Object.values(requestBody?.content ?? {})
  .map(({ schema }) => folded('Body', schema))
  .join('')}
${answers.join('\n')}
<pre>${escaped(exampleOf(path, method, requestBody !== undefined))}</pre>`
}

function exampleOf(path: string, method: string, hasBody: boolean): string {
  const body = hasBody ? ` -H 'Content-Type: application/json' -d '{...}'` : ''
  return `curl -X ${method} -H "Authorization: Bearer $GODWIT_TOKEN"${body} https://COORDINATOR:7070${path}`
}

function folded(title: string, schema: unknown): string {
  return `<details><summary>${title}</summary>${jsonBlock(schema)}</details>`
}

/** References lead to where they are explained. */
function jsonBlock(schema: unknown): string {
  const text = escaped(JSON.stringify(schema, undefined, 2))
  return `<pre>${text.replace(/#\/components\/schemas\/(\w+)/g, '<a href="#$1">$1</a>')}</pre>`
}

function escaped(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}
