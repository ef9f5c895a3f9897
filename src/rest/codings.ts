/** The content codings that are spoken besides identity, the best first. */
export const codings = ['zstd', 'br', 'gzip'] as const
export type Coding = (typeof codings)[number]
