import { setFlagsFromString } from 'node:v8'

/**
 * Sets V8's flags for a process that serves calls; to be called before any other code runs often.
 *
 * Without the first V8 allocates in the old space at once what a line of code makes, if that has often
 * lived for long, as the last exchange of each connection does. All that such an object refers to, the
 * whole call, is then freed by full collections only.
 *
 * Without the second V8 collects after 8 s with few calls, and throws compiled code away with the memory:
 * the calls of the next second cost two to three times as much (ADR 31).
 */
export function setMemoryFlags(): void {
  setFlagsFromString('--no-allocation-site-pretenuring')
  setFlagsFromString('--memory-reducer-gc-count=0')
}

/**
 * Lets V8 optimize the code that runs often, or leaves it as it is. What runs often while a process starts
 * seldom runs afterwards, and to optimize it takes 10 MiB that are not given back.
 */
export function optimizeCode(mayOptimize: boolean): void {
  for (const compiler of ['turbofan', 'maglev'])
    setFlagsFromString(mayOptimize ? `--${compiler}` : `--no-${compiler}`)
}

/**
 * Lets the old space grow to twice of what is in use before V8 collects it, as Go's collector does by default
 * (GOGC=100); V8's own choice is two fifths for a heap of this size. A full collection takes a tenth of a
 * second of one core, and each call that comes meanwhile waits for it. To be called once the process serves:
 * a start would keep twice of what it has loaded (ADR 37).
 */
export function letHeapDouble(): void {
  setFlagsFromString('--heap-growing-percent=100')
}
