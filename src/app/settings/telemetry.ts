import type { Conf } from '../../conf/conf.ts'
import type { ProblemReport } from '../../conf/decode.ts'
import type { Env } from '../../conf/placeholder.ts'
import { endpointRule, isEndpoint, protocolNames } from '../../telemetry/otlp/target.ts'
import { certificate, checkPair, readable, type Report } from './file.ts'

// A trace id in them would break the framing of each answer, or be lost.
const ownHeaders = new Set(
  'allow connection content-encoding content-length content-type date etag grpc-message grpc-status keep-alive retry-after trailer transfer-encoding upgrade vary'.split(
    ' ',
  ),
)

/** Checks where spans and metrics go, by the file and by the variables of OpenTelemetry. */
export function checkTelemetry(conf: Conf, env: Env, report: ProblemReport): void {
  const { tracing, metrics } = conf
  const { jaegerEndpoint, sampling } = tracing
  checkExport('tracing', tracing, report.setting)
  checkExport('metrics.push', metrics.push, report.setting)
  if (jaegerEndpoint !== '' && !URL.canParse(withScheme(jaegerEndpoint)))
    report.setting(
      'tracing.jaeger_endpoint',
      `found ${shown(jaegerEndpoint)}, must be a URL such as http://jaeger:14268/api/traces`,
    )
  if (ownHeaders.has(tracing.responseHeader))
    report.setting(
      'tracing.response_header',
      `found ${shown(tracing.responseHeader)}, which HTTP or the answer itself has; must be another, such as x-trace-id`,
    )
  for (const rule of Object.keys(sampling.rules))
    if (!/^[/*]/.test(rule))
      report.setting(
        `tracing.sampling.rules[${JSON.stringify(rule)}]`,
        'fits nothing; must be an operation (/api.user.v1.User/*) or a route (/v1/users), with * for any characters',
      )
  if (env.OTEL_SDK_DISABLED?.toLowerCase() !== 'true') checkVariables(env, report.variable)
}

type Exported = Pick<Conf['metrics']['push'], 'endpoint' | 'headers' | 'tls'>

function checkExport(section: string, { endpoint, headers, tls }: Exported, report: Report): void {
  if (endpoint !== '' && !isEndpoint(endpoint))
    report(`${section}.endpoint`, `found ${shown(endpoint)}, ${endpointRule}`)
  for (const [name, value] of Object.entries(headers)) {
    const setting = `${section}.headers[${JSON.stringify(name)}]`
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/i.test(name)) report(setting, 'must be the name of a header')
    else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
      report(setting, 'must have a value that headers can have: one line')
  }
  certificate(`${section}.tls.ca_file`, tls.caFile, report)
  checkPair(`${section}.tls`, tls, report)
}

const variable =
  /^OTEL_EXPORTER_(?:OTLP_(?:(?:TRACES|METRICS|LOGS)_)?(ENDPOINT|PROTOCOL|TIMEOUT|COMPRESSION|HEADERS|CERTIFICATE|CLIENT_CERTIFICATE|CLIENT_KEY)|ZIPKIN_(ENDPOINT))$/

// What the exporters leave out without a word.
const rules = {
  TIMEOUT: { pattern: /^\s*[1-9]\d*\s*$/, allowed: 'a whole number of milliseconds above 0' },
  COMPRESSION: { pattern: /^\s*(?:gzip|none)\s*$/, allowed: 'gzip or none' },
  HEADERS: {
    pattern: /^\s*[^=,\s]+\s*=[^,]*(?:,\s*(?:[^=,\s]+\s*=[^,]*)?)*$/,
    allowed: 'names with values, such as name=value,other=value',
  },
}

/** The standard variables, which stand in no file. One that is set to nothing does not count. */
function checkVariables(env: Env, report: Report): void {
  for (const [name, value = ''] of Object.entries(env)) {
    const [, otlp, zipkin] = variable.exec(name) ?? []
    const kind = value === '' ? undefined : (otlp ?? zipkin)
    if (kind === 'ENDPOINT') {
      if (!isEndpoint(value)) report(name, `found ${shown(value)}, ${endpointRule}`)
    } else if (kind === 'PROTOCOL') {
      if (!protocolNames.some((known) => known === value))
        report(name, `found ${JSON.stringify(value)}, must be ${protocolNames.join(' or ')}`)
    } else if (kind !== undefined && kind in rules) {
      const { pattern, allowed } = rules[kind as keyof typeof rules]
      // Headers may have secrets.
      const found = kind === 'HEADERS' ? '' : `found ${JSON.stringify(value)}, `
      if (!pattern.test(value)) report(name, `${found}must be ${allowed}`)
    } else if (kind !== undefined) readable(name, value, report)
  }
}

function withScheme(text: string): string {
  return text.includes('://') ? text : `http://${text}`
}

/** An endpoint without what may be a secret of it: a password and a query. */
function shown(endpoint: string): string {
  return JSON.stringify(endpoint.replace(/\/\/[^/@]*@/, '//…@').replace(/\?.*/s, '?…'))
}
