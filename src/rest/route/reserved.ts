import { describe, type RouteTable } from './table.ts'

/** The first segments of paths that the host of the plugin serves itself, each with what is there. */
export type ReservedSegments = ReadonlyMap<string, string>

/** Throws for a binding below a path that the host serves itself: one of the two would never be used. */
export function rejectReserved({ routes }: RouteTable<unknown>, reserved: ReservedSegments): void {
  for (const route of routes) {
    const [first] = route.template.segments
    const use = first?.kind === 'literal' ? reserved.get(first.value) : undefined
    if (first?.kind !== 'literal' || use === undefined) continue
    throw new Error(`${describe(route)} is at /${first.value}, where the port has ${use}`)
  }
}
