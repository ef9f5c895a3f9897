import {
  isPair,
  isScalar,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Pair,
  type Scalar,
  type YAMLError,
} from 'yaml'

import { ConfError } from './error.ts'
import { expand, type Env } from './placeholder.ts'

/** A parsed YAML file, and the origin of its scalars. */
export type Yaml = {
  doc: Document.Parsed
  /** Scalars whose text came, in whole or in part, from the environment or a default. */
  expanded: Map<unknown, Expanded>
}

interface Expanded {
  /** Whether a placeholder of it cannot be replaced. */
  reported: boolean
  /** Variables that are set, and so are part of the text. */
  variables: readonly string[]
}

/** Reports a problem of the setting at a path, such as `server.http.addr`. */
export type Report = (path: string, problem: string) => void

/** Syntax is all or nothing: a file that YAML cannot read is not looked at further. */
export function parseYaml(text: string, origin: string): Yaml {
  const lines = new LineCounter()
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const faults = [...doc.errors, ...doc.warnings]
  if (faults.length > 0) throw new ConfError(faults.map((fault) => place(fault)))
  if (doc.contents === null) throw new ConfError([`${origin}: the file is empty`])
  return { doc, expanded: new Map() }

  function place(fault: YAMLError): string {
    const { line, col } = lines.linePos(fault.pos[0])
    return `${origin}:${line}:${col}: ${reason(fault, text)}`
  }
}

function reason({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'MULTIPLE_DOCS') return 'a second document begins, only one is allowed'
  if (code !== 'DUPLICATE_KEY') return message
  const [key] = /^[^\s:]*/.exec(text.slice(pos[0])) ?? []
  return `the key ${key} is given twice`
}

/** Replaces the placeholders of all values; `report` gets each that cannot be replaced. Keys stay as they are. */
export function expandAll({ doc, expanded }: Yaml, env: Env, report: Report): void {
  visit(doc, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return
      const { text, variables, problems } = expand(node.value, env)
      node.value = text
      expanded.set(node, { reported: problems.length > 0, variables })
      for (const problem of problems) report(pathOf(ancestors), problem)
    },
  })
}

/** Reports the placeholders of all values: who writes the document does not know the environment. */
export function reportPlaceholders({ doc, expanded }: Yaml, report: Report): void {
  visit(doc, {
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('${')) return
      expanded.set(node, { reported: true, variables: [] })
      report(pathOf(ancestors), 'found a placeholder, which only the file can have')
    },
  })
}

function pathOf(ancestors: readonly (Document | Node | Pair)[]): string {
  return ancestors
    .filter((ancestor): ancestor is Pair<Scalar> => isPair(ancestor) && isScalar(ancestor.key))
    .map(({ key }) => String(key.value))
    .join('.')
}
