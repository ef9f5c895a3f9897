// Upper bounds of buckets.

/** Kratos' own for `server_requests_seconds`, which end at 1 s, from 1 ms to 10 s. */
export const kratosSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** Those that the conventions of OpenTelemetry give for HTTP and RPC. */
export const serverSeconds = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
]

/** Those that they give for databases. */
export const databaseSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]

/** Those that they give for garbage collections. */
export const collectionSeconds = [0.01, 0.1, 1, 10]

/** How late a turn of the event loop is: from what nobody notices to what is an outage. */
export const delaySeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]

/** From an empty body to the largest that a server takes by default, and what is beyond. */
export const bodyBytes = [0, 128, 512, 2048, 8192, 32_768, 131_072, 524_288, 1_048_576, 8_388_608]
