/** Milliseconds that only grow; `performance.now` but in tests. */
export type Clock = () => number

/** A number from 0 up to 1; `Math.random` but in tests. */
export type Random = () => number
