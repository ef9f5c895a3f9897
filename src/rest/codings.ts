/** The supported content codings besides identity, the preferred one first. */
export const codings = ['zstd', 'br', 'gzip'] as const
/** A supported content coding. */
export type Coding = (typeof codings)[number]
