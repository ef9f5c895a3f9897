// The names of this project and of its first noun, in texts and paths, for those of another.
import { parseSync } from 'oxc-parser'
import type { Name, Noun } from '../noun.ts'

/** What a project and its first noun are called. */
export interface Names {
  service: Name
  noun: Noun
}

/** Files in which a user is an account at another server, or the reader of a page. */
const foreignFiles =
  /^(?:src\/data\/mysql\/(?:dsn|connection-options|server-codes|migrate)|src\/data\/redis\/(?:client|url)|src\/fleet\/etcd\/|test\/data\/(?:dsn|mysql-codes|mysql-session|settable-server)|test\/data\/redis\/client|scripts\/(?:mariadbd?|confined|dockerfile|image|commits)\.ts|third_party\/|scripts\/packages\/|package-lock\.json|\.ci\/|CONTRIBUTING\.md|SECURITY\.md)/

/** Words of other meanings in the other files. */
const otherMeanings = [
  /user[-_]?agent/gi,
  /user-data-dir/g,
  /\buserinfo\b/gi,
  /username/gi,
  /\benduser\b/g,
  /runAsUser/g,
  /^USER\b/gm,
  /\bUSER:PASSWORD\b/g,
  /\buser\.(?:name|email)=/g,
  /\{ user, system \}|\((?:\w+\.)?user \+ (?:\w+\.)?system\)/g,
  /\buser:(?:password|pw)\b/g,
  /byteOrderMark/g,
  /--user=/g,
  /\busers of the API\b/g,
  /(?:Access denied for|CREATE|DROP) user\b/gi,
  /\b(?:MASTER|SOURCE|DB|prefix\}|MAX)_USER\b/g,
  /MYSQL_USER\b/g,
  /https:\/\/user@/g,
  /(?:service's|image's|process's|database's|account of the|other|every|the MySQL|dedicated) users?\b/g,
  /\busers? (?:who may|of the machine)\b/g,
  /\b(?:by|as|of) (?:its|their|the chart's) users?\b|\bas users do\b|\ba user of the chart\b|leaves to its users|\bIts user needs/g,
]

const marked = /\uE000(\d+)\uE000/g

/** A text without the words that name accounts, programs and readers. */
export function withoutOtherMeanings(path: string, text: string): string {
  if (foreignFiles.test(path)) return ''
  return otherMeanings.reduce((left, meaning) => left.replace(meaning, ''), text)
}

/** The path of a file in the new project. */
export function renamedPath(path: string, { service, noun }: Names): string {
  return path
    .replaceAll('user-service', service.kebab)
    .replace(/\busers?(?=[-.\w]*\.ts$)/g, (found) =>
      found === 'users' ? noun.many.kebab : noun.kebab,
    )
}

/** The text of a file in the new project. */
export function renamed(path: string, text: string, names: Names): string {
  const { service } = names
  const own = text
    .replaceAll('user-service', service.kebab)
    .replaceAll('user_service', service.snake)
    .replace(/\buser(\\?)\.(service|rpc)\b/g, `${service.kebab}$1.$2`)
    .replace(/\bUserService(?=[A-Z])/g, service.pascal)
    .replace(/\buserservice(?=[a-z])/g, service.pascal.toLowerCase())
  if (foreignFiles.test(path)) return own
  const kept: string[] = []
  const hidden = otherMeanings.reduce(
    (left, meaning) => left.replace(meaning, (word) => `\uE000${kept.push(word) - 1}\uE000`),
    own,
  )
  const isOfDeployment = /^(?:deploy|test\/deploy|scripts\/chart)/.test(path)
  const named = withNoun(path.endsWith('.ts') ? path : '', hidden, names, isOfDeployment)
  return named.replace(marked, (_, index) => kept[Number(index)] ?? '')
}

/** The name of the noun: in `code`, a TypeScript file, as an identifier outside of comments. */
function withNoun(code: string, text: string, names: Names, isOfDeployment: boolean): string {
  const { service, noun } = names
  const formal = text
    .replace(/\bapi([./])user\b/g, `api$1${noun.snake}`)
    .replace(/\/v1\/users\b/g, `/v1/${noun.many.kebab}`)
    .replace(/\/user\.proto\b/g, `/${noun.snake}.proto`)
    .replace(/\/user_pb\b/g, `/${noun.snake}_pb`)
    .replace(/\busers?\.example\b/g, `${service.kebab}.example`)
    .replace(/USER_/g, `${noun.upper}_`)
    .replace(/(?<![A-Za-z])users_/g, `${noun.many.snake}_`)
    .replace(/(?<![A-Za-z])user_/g, `${noun.snake}_`)
    .replace(/(?<=_)users\b/g, noun.many.snake)
    .replace(/Users/g, noun.many.pascal)
    .replace(/User/g, noun.pascal)
  if (isOfDeployment) return formal.replace(/\busers?\b/g, service.kebab)
  const inWords = (part: string) =>
    part
      .replace(/\b([Aa]) user\b/g, (_, a: string) => (a === 'A' ? capital(noun.a) : noun.a))
      .replace(/(?<![A-Za-z])user(?=[A-Z])/g, noun.camel)
      .replace(/\busers\b/g, noun.many.words)
      .replace(/\buser\b/g, noun.words)
  const inCode = (part: string) =>
    part
      .replace(/(?<![A-Za-z])users(?![a-z])/g, noun.many.camel)
      .replace(/(?<![A-Za-z])user(?![a-z])/g, noun.camel)
  if (code === '') return inWords(formal)
  const parts: string[] = []
  let at = 0
  for (const { start, end } of parseSync(code, formal).comments) {
    parts.push(inCode(formal.slice(at, start)), inWords(formal.slice(start, end)))
    at = end
  }
  return [...parts, inCode(formal.slice(at))].join('')
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}
