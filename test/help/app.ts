import { readFileSync } from 'node:fs'
import { Writable } from 'node:stream'
import type { SpanExporter } from '@opentelemetry/sdk-trace'
import pino, { type Logger } from 'pino'
import type { Test } from 'tap'
import { openConfig } from '../../src/app/config/open.ts'
import { run, type RunOptions } from '../../src/command/serve.ts'
import { configReader } from '../../src/command/settings.ts'
import { redacted } from '../../src/telemetry/log/redact.ts'
import { type Conf, loadConf } from '../../src/conf/conf.ts'
import { watchAnswers } from './answers.ts'
import { freshMysqlDatabase, freshSqlitePath } from './db.ts'
import { documentedAnswers, openApiFile } from './documented.ts'

export type Storage = 'sqlite' | 'mysql'

export interface StartOptions extends Pick<RunOptions, 'now'> {
  storage: Storage
  /** Settings by their variables, beside addresses and database. */
  env?: Record<string, string>
  maxBodyBytes?: number
  maxHeaderBytes?: number
  /** 0, too: every call is one too many. */
  maxConcurrentCalls?: number
  /** Starts tracing into this exporter. */
  spans?: SpanExporter
  /** Whether the metrics are served, on a third port. */
  measured?: boolean
  /** Changes the configuration. */
  configure?: (conf: Conf) => void
  /** Whether the process has no service of its own, and so a document of its own. */
  isGateway?: boolean
  /** Reads the configuration from this file, over the one of the program, and follows its changes. */
  file?: string
  /** Gets the service's log, to write to it from the middle of a call. */
  logged?: (log: Logger) => void
}

/** A log line as a reader of the log finds it. */
export type LogLine = Record<string, unknown> & { msg: string; level: string }

export type RunningApp = Awaited<ReturnType<typeof startApp>>

const confFile = new URL('../../configs/config.yaml', import.meta.url)

let lacking: ReturnType<typeof documentedAnswers> | undefined
let lackingOfGateway: ReturnType<typeof documentedAnswers> | undefined

/**
 * The whole service on two free ports and an empty, migrated database; closed when the test ends. The
 * test fails at an answer of REST that the OpenAPI document lacks.
 */
export async function startApp(t: Test, options: StartOptions) {
  const { storage, now, env: given, spans, measured, configure, logged, ...others } = options
  const { isGateway = false, file: path, ...limits } = others
  const database = storage === 'mysql' ? await freshMysqlDatabase(t) : freshSqlitePath(t)
  const env = {
    HTTP_ADDR: '127.0.0.1:0',
    GRPC_ADDR: '127.0.0.1:0',
    METRICS_ADDR: measured ? '127.0.0.1:0' : '',
    // A machine that is busy with other things makes calls slow, which is no failure of theirs.
    TIMEOUT: '30s',
    USER_TIMEOUT: '30s',
    DB_POOL_WAIT: '10s',
    [storage === 'mysql' ? 'DB_DSN' : 'SQLITE_PATH']: database,
    ...given,
  }
  const scheme = given?.TLS_CERT_FILE === undefined ? 'http' : 'https'
  const file = { text: readFileSync(confFile, 'utf8'), origin: 'configs/config.yaml' }
  const opened = path === undefined ? undefined : await openConfig(configReader(path, env))
  const conf = opened?.conf ?? loadConf(file, env)
  Object.assign(conf.server.limits, limits)
  configure?.(conf)
  // Any but none: it is replaced by the one given.
  if (spans && !opened) conf.tracing.exporter = 'console'
  const lines: string[] = []
  const service = await run(conf, {
    version: 'test',
    env: spans ? { OTEL_BSP_SCHEDULE_DELAY: '20' } : { OTEL_SDK_DISABLED: 'true' },
    log: ({ fields }) => logInto(lines, fields),
    created({ stop, log }) {
      t.teardown(stop)
      logged?.(log)
    },
    rejected: (err) => t.fail(err),
    exporter: spans,
    ...(opened && { opened }),
    now,
  })
  const { app, tracing, http, grpc, metrics } = service
  if (isGateway) lackingOfGateway ??= documentedAnswers((await app.documents()).rest)
  const unwatch = watchAnswers(http.port, (answer) => {
    if (!isGateway) lacking ??= documentedAnswers(openApiFile())
    const fault = (isGateway ? lackingOfGateway : lacking)?.(answer)
    if (fault !== undefined) t.fail(`the OpenAPI document: ${fault}`)
  })
  t.teardown(unwatch)
  return {
    db: app.db,
    tracing,
    /** The DSN, or the path of the SQLite file. */
    database,
    close: () => app.stop(),
    rest: { port: http.port, url: `${scheme}://127.0.0.1:${http.port}` },
    rpc: { port: grpc.port, url: `${scheme}://127.0.0.1:${grpc.port}` },
    /** Where the metrics are, when they were asked for. */
    metrics: `http://127.0.0.1:${metrics?.port}`,
    /** Everything logged so far. */
    log: (): LogLine[] => lines.map((line) => JSON.parse(line) as LogLine),
  }
}

/** The service's log with every level, into a list. */
function logInto(lines: string[], fields?: () => object): Logger {
  return pino(
    {
      level: 'trace',
      formatters: { level: (label) => ({ level: label }), log: redacted },
      ...(fields && { mixin: fields }),
    },
    new Writable({
      write(chunk: Buffer, _encoding, written) {
        lines.push(chunk.toString())
        written()
      },
    }),
  )
}
