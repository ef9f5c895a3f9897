// Prometheus' programs for the tests: finds them, or unpacks Debian's package of them.
import { join } from 'node:path'

import { aptUnpack, findProgram, isExecutable } from './program.ts'

const unpacked = join(import.meta.dirname, '../node_modules/.cache/prometheus')

interface PrometheusPrograms {
  prometheus: string
  promtool: string
}

/** The paths of both programs; undefined if one of them is missing. */
export function findPrometheus(): PrometheusPrograms | undefined {
  const prometheus = find('prometheus')
  const promtool = find('promtool')
  return prometheus && promtool ? { prometheus, promtool } : undefined
}

function find(name: string): string | undefined {
  return findProgram(name) ?? [join(unpacked, 'usr/bin', name)].find(isExecutable)
}

/** Unpacks Debian's package. The programs need libc only. Undefined if there is no apt-get or if it fails. */
export function fetchPrometheus(): PrometheusPrograms | undefined {
  return aptUnpack('prometheus', unpacked) ? findPrometheus() : undefined
}
