/** Told of what happens between this process and its registry; see the functions of src/app/fleet/fleet.ts. */
export interface Report {
  /** This instance has been announced in a format. */
  announced(format: string): void
  /** It is not announced, or perhaps not for much longer, and is being announced again. */
  lost(format: string, problem: string): void
  /** The announcement was taken back. */
  withdrawn(format: string): void
  /** Another process announces an instance with the same id. */
  contested(format: string): void
  /** The list of a service's instances is known as the registry has it. */
  listed(name: string, count: number): void
  /** The list in force is an old one. */
  stale(name: string, problem: string): void
  /** A value of the registry cannot be read; the others of its list are used. */
  broken(key: string, problem: string): void
  /** Runs the making of a connection, which `facts` describe. */
  connecting: <T>(facts: Readonly<Record<string, string>>, connect: () => Promise<T>) => Promise<T>
}
