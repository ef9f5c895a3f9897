// Words that a name must not be, by the language that has a meaning for them.

/** JavaScript and TypeScript, strict mode and the names that every object has. */
const typeScript =
  'any arguments as async await bigint boolean break case catch class const constructor continue debugger declare default delete do else enum eval export extends false finally for from function get if implements import in infer instanceof interface is keyof let module namespace never new null number object of package private protected prototype public readonly require return satisfies set static string super switch symbol this throw true try type typeof undefined unique unknown using value-of var void while with yield to-string to-json'

/** Globals whose name a type of the noun would take. */
const globals =
  'abort-controller abort-signal array buffer console date error event function global intl iterator json map math omit partial pick process promise proxy record reflect return-type request response set signal string symbol timestamp url weak-map weak-set'

/** Words reserved by MySQL, MariaDB or SQLite: a statement by hand would need quotes. */
const sql =
  'accessible add all alter analyze and as asc autoincrement before between bigint binary blob both by call cascade case change char character check collate column columns commit condition constraint continue convert create cross cube current cursor database databases date datetime decimal declare default delayed delete desc describe deterministic distinct div double drop dual each else empty end escape except exists exit explain false fetch float for force foreign from full fulltext function generated glob grant group groups having if ignore in index inner insert int integer intersect interval into is join key keys kill lateral lead left like limit lines load localtime lock long loop match merge mod modifies natural not null nulls numeric of offset on optimize option or order out outer over partition plan pragma precision primary procedure query range rank read reads real recursive references regexp release rename repeat replace require resignal restrict return returning revoke right rlike rollback row rows savepoint schema schemas select separator set show signal smallint spatial sql starting stored system table tables temp temporary terminated text then time timestamp tinyint to trailing transaction trigger true undo union unique unlock unsigned update usage use using vacuum values varbinary varchar varying view virtual when where while window with write xor year zerofill'

/** The language of proto files. */
const proto =
  'bool bytes double edition enum export extend extensions fixed32 fixed64 float group import int32 int64 local map max message oneof option optional package public repeated required reserved returns rpc service sfixed32 sfixed64 sint32 sint64 stream string syntax to true uint32 uint64 weak'

const languages: Record<string, ReadonlySet<string>> = {
  TypeScript: new Set(`${typeScript} ${globals}`.split(' ')),
  SQL: new Set(sql.split(' ')),
  proto: new Set(proto.split(' ')),
}

/** The languages in which a name, in words split by `-`, is reserved. */
export function reservedIn(name: string): string[] {
  return Object.keys(languages).filter((language) => languages[language]?.has(name))
}
