/**
 * What a rule of protovalidate says, with an empty text among allowed values as `""`. protovalidate prints
 * the values of a list bare, and an empty text as nothing.
 */
export function withEmptyText(rule: string): string {
  return rule.replace('list [, ', 'list ["", ')
}
