const integer = /^-?(?:0|[1-9]\d*)$/
const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const digits = /\d*/y

/** Whether a text is an integer as JSON writes one. */
export function isInteger(text: string): boolean {
  return integer.test(text)
}

/** Whether a text is a JSON number. */
export function isNumber(text: string): boolean {
  return number.test(text)
}

/** The index after the digits that begin at `start`; `start` if there are none. */
export function endOfDigits(text: string, start: number): number {
  digits.lastIndex = start
  digits.test(text)
  return digits.lastIndex
}
