import { constants } from 'node:zlib'

/** The supported content codings besides identity, the preferred one first. */
export const codings = ['zstd', 'br', 'gzip'] as const
/** A supported content coding. */
export type Coding = (typeof codings)[number]

/** RFC 9659: a window of `zstd` is at most 8 MB. A few bytes could ask for one of 128 MB, for as long as they come. */
export const zstdWindow = { params: { [constants.ZSTD_d_windowLogMax]: 23 } }
