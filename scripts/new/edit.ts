// Insertions into source texts. Each finds its place by the syntax, and fails where that is not there.
import { type Node, parseSync, Visitor } from 'oxc-parser'

/** Adds an import, in the order of the modules' paths. */
export function withImport(text: string, names: string, path: string): string {
  const { module } = parseSync('edited.ts', text)
  const all = module.staticImports
  const relative = all.filter(({ moduleRequest }) => moduleRequest.value.startsWith('.'))
  const next = relative.find(({ moduleRequest }) => moduleRequest.value > path)
  const last = all.at(-1)
  const line = `import ${names} from '${path}'\n`
  const at = next?.start ?? (last && last.end + 1)
  if (at === undefined) throw new Error(`there is no place for the import of ${path}`)
  return text.slice(0, at) + line + text.slice(at)
}

/** Adds a property to the object that is the constant of this name. */
export function withEntry(text: string, name: string, property: string): string {
  let end: number | undefined
  visit(text, {
    VariableDeclarator({ id, init }) {
      if (id.type !== 'Identifier' || id.name !== name || init?.type !== 'ObjectExpression') return
      end = init.properties.at(-1)?.end
    },
  })
  return inserted(text, end, `,\n${property}`, `an object ${name}`)
}

/** Adds a property to the object that a function of this name is called with. */
export function withProperty(text: string, callee: string, property: string): string {
  let end: number | undefined
  visit(text, {
    CallExpression({ callee: called, arguments: [object] }) {
      if (called.type !== 'Identifier' || called.name !== callee) return
      if (object?.type === 'ObjectExpression') end = object.properties.at(-1)?.end
    },
  })
  return inserted(text, end, `,\n${property}`, `a call of ${callee}`)
}

/** Adds a member to an interface. */
export function withMember(text: string, name: string, member: string): string {
  let end: number | undefined
  visit(text, {
    TSInterfaceDeclaration({ id, body }) {
      if (id.name === name) end = body.body.at(-1)?.end
    },
  })
  return inserted(text, end, `\n  ${member}`, `an interface ${name}`)
}

/** Adds a name to those that are taken out of a property of this name. */
export function withName(text: string, property: string, name: string): string {
  let end: number | undefined
  visit(text, {
    VariableDeclarator({ id, init }) {
      if (id.type !== 'ObjectPattern' || init?.type !== 'MemberExpression') return
      if (init.property.type !== 'Identifier' || init.property.name !== property) return
      end = id.properties.at(-1)?.end
    },
  })
  return inserted(text, end, `, ${name}`, `a constant of ${property}`)
}

/** Adds a statement in the end of a function. */
export function withStatement(text: string, name: string, statement: string): string {
  let end: number | undefined
  visit(text, {
    FunctionDeclaration({ id, body }) {
      if (id?.name === name) end = body?.body.at(-1)?.end
    },
  })
  return inserted(text, end, `\n  ${statement}`, `a function ${name}`)
}

/** Adds a property to the object that a function of this name returns. */
export function withReturned(text: string, name: string, property: string): string {
  let end: number | undefined
  visit(text, {
    FunctionDeclaration({ id, body }) {
      const last = body?.body.at(-1)
      if (id?.name !== name || last?.type !== 'ReturnStatement') return
      if (last.argument?.type === 'ObjectExpression') end = last.argument.properties.at(-1)?.end
    },
  })
  return inserted(text, end, `,\n${property}`, `a function ${name} that returns an object`)
}

/** Adds a name to those that are taken out of what a function of this name gives. */
export function withResult(text: string, callee: string, name: string): string {
  let end: number | undefined
  visit(text, {
    VariableDeclarator({ id, init }) {
      if (id.type !== 'ObjectPattern' || init?.type !== 'CallExpression') return
      if (init.callee.type !== 'Identifier' || init.callee.name !== callee) return
      end = id.properties.at(-1)?.end
    },
  })
  return inserted(text, end, `, ${name}`, `a constant of the result of ${callee}`)
}

/** Adds lines to a service of a proto, as its last ones. */
export function withRpc(text: string, service: string, lines: string): string {
  const end = new RegExp(`^service ${service} \\{\\n(?:  .*\\n|\\n)*`, 'm').exec(text)
  return inserted(text, end ? end.index + end[0].length : undefined, lines, `a service ${service}`)
}

/** Adds a declaration after the last interface. */
export function withInterface(text: string, declaration: string): string {
  let end: number | undefined
  visit(text, { TSInterfaceDeclaration: (node) => void (end = node.end) })
  return inserted(text, end, `\n\n${declaration}`, 'an interface')
}

/** Adds a line before the first one that begins so, or in the end of the text. */
export function withLineBefore(text: string, beginning: string, line: string): string {
  const at = text.split('\n').findIndex((each) => each.startsWith(beginning))
  if (at < 0) throw new Error(`no line begins with ${JSON.stringify(beginning)}`)
  return text.split('\n').toSpliced(at, 0, line).join('\n')
}

type Found = ConstructorParameters<typeof Visitor>[0]

function visit(text: string, found: Found): void {
  const { program, errors } = parseSync('edited.ts', text)
  if (errors.length > 0) throw new Error(errors[0]?.message)
  new Visitor(found).visit(program)
}

function inserted(text: string, at: Node['end'] | undefined, added: string, what: string): string {
  if (at === undefined) throw new Error(`there is no ${what}`)
  return text.slice(0, at) + added + text.slice(at)
}
