import type { Rate, Verdict } from './gcra.ts'

/**
 * The response headers of a call that was counted, as draft-ietf-httpapi-ratelimit-headers-11 has them:
 * the policy is `q` calls in each `w` seconds, of which `r` are left, and all after `t` seconds.
 */
export function limitFields(rate: Rate, verdict: Verdict): Record<string, string> {
  const left = `"default";r=${verdict.left};t=${Math.ceil(verdict.fullUs / 1e6)}`
  return { 'ratelimit-policy': policyOf(rate), ratelimit: left }
}

/** Whole seconds after which a refused call may come again; at least one, as a header cannot say less. */
export function retrySeconds({ waitUs }: Verdict): number {
  return Math.max(1, Math.ceil(waitUs / 1e6))
}

/** The shortest whole number of seconds that the burst takes, and the calls of that time. */
function policyOf({ intervalUs, burst }: Rate): string {
  const seconds = Math.max(1, Math.ceil((burst * intervalUs) / 1e6 - 1e-6))
  const calls = Math.max(burst, Math.floor((seconds * 1e6) / intervalUs + 1e-6))
  return `"default";q=${calls};w=${seconds}`
}
