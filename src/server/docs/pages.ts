/**
 * The Content-Security-Policy of the pages: nothing from elsewhere, no inline script and no inline
 * style. Swagger UI's icons are data URLs.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "form-action 'none'",
].join('; ')

/** The page that shows an OpenAPI document. `url` is where the document is. */
export function docsPage(url: string, other: string): string {
  return page(
    'API',
    `<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">`,
    `<p class="switch"><a href="/">Start</a> · <a href="${other}">${other}</a></p>
<div id="docs" data-url="${url}"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/initializer.js"></script>`,
  )
}

/** Starts Swagger UI on the document that the page names. The Connect document is of another port. */
export const initializer = `const { url } = document.getElementById('docs').dataset
SwaggerUIBundle({
  url,
  dom_id: '#docs',
  deepLinking: true,
  validatorUrl: null,
  ...(url.includes('connect') && { supportedSubmitMethods: [] }),
})
`

/** The style of the pages' own elements. */
export const pageStyle = `body { margin: 0; font-family: sans-serif; color: #222; background: #fff }
main { max-width: 50em; margin: 2em auto; padding: 0 1em }
.switch { margin: 1em; text-align: right }
main pre { background: #f4f4f4; padding: 1em; overflow: auto }
`

/** The facts on the start page. */
export interface StartFacts {
  version: string
  /** host:port of the RPC port, as it is set. */
  rpcAddress: string
  /** Whether the documents and their pages are served. */
  docs: boolean
}

const docsLinks = {
  docs: '/docs',
  docsOfConnect: '/docs/connect',
  openapi: '/openapi.json',
  openapiYaml: '/openapi.yaml',
  openapiOfConnect: '/openapi.connect.json',
}

const docsTexts = {
  '/docs': 'the REST API, to read and to call',
  '/docs/connect': 'the same methods over Connect, to read',
  '/openapi.json': 'the OpenAPI document of REST',
  '/openapi.yaml': 'the same as YAML',
  '/openapi.connect.json': 'the OpenAPI document of Connect',
}

const healthTexts = {
  '/healthz': 'whether the process is alive',
  '/readyz': 'whether it should get calls',
}

/** The content of `/` for programs. */
export function startDocument({ version, rpcAddress, docs }: StartFacts) {
  return {
    version,
    rest: 'this port',
    rpc: `Connect, gRPC and gRPC-Web on ${rpcAddress}`,
    health: { alive: '/healthz', ready: '/readyz' },
    ...(docs && docsLinks),
  }
}

/** The content of `/` for browsers. */
export function startPage({ version, rpcAddress, docs }: StartFacts): string {
  const port = rpcAddress.split(':').at(-1) ?? ''
  const links = Object.entries({ ...(docs && docsTexts), ...healthTexts })
  return page(
    'Service',
    '<link rel="icon" href="data:,">',
    `<main><h1>Service ${version}</h1>
<p>REST is on this port. Connect, gRPC and gRPC-Web are on port ${port}.</p>
<ul>${links.map(([link, text]) => `<li><a href="${link}">${link}</a> ${text}</li>`).join('')}</ul>
<pre>grpcurl -plaintext localhost:${port} list</pre></main>`,
  )
}

function page(title: string, head: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<link rel="stylesheet" href="/start.css">
${head}
</head>
<body>
${body}
</body>
</html>
`
}
