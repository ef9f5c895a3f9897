/** The text with `***` for the account of each URL in it: a password in one is nobody else's to read. */
export function withoutAccounts(text: string): string {
  return text.replaceAll(/:\/\/[^\s"]*@/g, '://***@')
}
