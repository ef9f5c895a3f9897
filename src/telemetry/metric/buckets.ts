// Upper bounds of the buckets of histograms.

/** The bounds of Kratos for `server_requests_seconds`, which end at 1 s, extended to 1 ms and 10 s. */
export const kratosSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** OpenTelemetry's conventions for HTTP and RPC. */
export const serverSeconds = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]

/** OpenTelemetry's conventions for databases. */
export const databaseSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/** OpenTelemetry's conventions for garbage collections. */
export const collectionSeconds = [0.01, 0.1, 1, 10]

/** Delay of the event loop, from unnoticeable to an outage. */
export const delaySeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** Sizes of bodies, from empty to above the default of `server.limits.max_body_bytes`. */
export const bodyBytes = [0, 128, 512, 2048, 8192, 32_768, 131_072, 524_288, 1_048_576, 8_388_608]
