/** Whether a text is an integer as JSON writes one. */
export function isInteger(text: string): boolean {
  return text !== '' && endOfInteger(text) === text.length
}

/** Whether a text is a JSON number. */
export function isNumber(text: string): boolean {
  let at = endOfInteger(text)
  if (at === 0) return false
  if (text[at] === '.') {
    const end = endOfDigits(text, at + 1)
    if (end === at + 1) return false
    at = end
  }
  if (text[at] === 'e' || text[at] === 'E') {
    const sign = text[at + 1] === '+' || text[at + 1] === '-' ? 1 : 0
    const end = endOfDigits(text, at + 1 + sign)
    if (end === at + 1 + sign) return false
    at = end
  }
  return at === text.length
}

/** The index after the digits that begin at `start`; `start` if there are none. */
export function endOfDigits(text: string, start: number): number {
  let at = start
  while (at < text.length && isDigit(text.charCodeAt(at))) at += 1
  return at
}

/** The index after the integer at the beginning; 0 if there is none, or it has a leading zero. */
function endOfInteger(text: string): number {
  const start = text[0] === '-' ? 1 : 0
  const end = endOfDigits(text, start)
  if (end === start) return 0
  return text[start] === '0' && end > start + 1 ? 0 : end
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39
}
