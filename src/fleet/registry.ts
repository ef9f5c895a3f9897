/** One running instance of a service, as registries describe it. */
export interface Instance {
  /** Unique in the fleet. */
  id: string
  /** The name that clients look up. */
  name: string
  version: string
  metadata: Readonly<Record<string, string>>
  /** `scheme://host:port`; schemes are grpc, grpcs, http and https. IPv6 hosts are in brackets. */
  endpoints: readonly string[]
}

/** Finds the instances of services. */
export interface Discovery {
  /**
   * Tells the instances of a service: once when they are first known, then after each change, until
   * the signal aborts. A list that becomes empty, or a registry that is away, leaves the last told
   * list in force: nothing is told then. Never throws; retries for ever.
   */
  watch(name: string, signal: AbortSignal, told: (instances: readonly Instance[]) => void): void
  close(): Promise<void>
}

/** Announces this instance. */
export interface Registrar {
  /** Keeps the instance announced until it is withdrawn; retries for ever and never throws. */
  announce(instance: Instance): void
  /** Takes the announcement back. Resolves when the registry has answered, or one call has taken too long. */
  withdraw(): Promise<void>
}
