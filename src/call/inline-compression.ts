/**
 * Up to this many bytes the event loop compresses an answer by itself, in at most 0.2 ms: to hand it to
 * the thread pool and to take it back costs as much CPU time again, with zstd twenty times as much
 * (docs/performance.md).
 */
export const maxInlineBytes = 16_384
