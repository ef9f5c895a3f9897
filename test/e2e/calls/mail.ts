import { mailLengthRule, mailRule, noMailRule, taken, textRule } from './outcomes.ts'
import { type At, createRefused, creates, messageOf, newUser, type Row } from './row.ts'

const keptMails: Record<string, (unique: string) => string> = {
  'a domain without a dot': (unique) => `${unique}@localhost`,
  'every sign that HTML allows': (unique) => `.!#$%&'*+/=?^_\`{|}~-${unique}@example.com`,
  'dots in a row and at the end': (unique) => `${unique}..a.@example.com`,
  'a label of 63 characters': (unique) => `${unique}@${'a'.repeat(63)}.com`,
  'digits and hyphens': (unique) => `${unique}@1-2--3.4`,
  '254 characters': (unique) => `${unique.padEnd(242, 'x')}@example.com`,
}

const badMails: Record<string, string> = {
  'no at sign': 'ada',
  'nothing before the at sign': '@example.com',
  'nothing after the at sign': 'ada@',
  'two at signs': 'ada@b@example.com',
  'a space inside': 'ada lovelace@example.com',
  'a space before': ' ada@example.com',
  'a space behind': 'ada@example.com ',
  'a line feed behind': 'ada@example.com\n',
  'a label that begins with a hyphen': 'ada@-example.com',
  'a label that ends with a hyphen': 'ada@example-.com',
  'an empty label': 'ada@example..com',
  'a dot at the end': 'ada@example.com.',
  'a dot at the beginning of the domain': 'ada@.example.com',
  'an underscore in the domain': 'ada@ex_ample.com',
  'a label of 64 characters': `ada@${'a'.repeat(64)}.com`,
  'a letter beyond ASCII before the at sign': 'ädä@example.com',
  'a letter beyond ASCII after it': 'ada@exämple.com',
  'the Kelvin sign': 'ada@\u212aelvin.com',
  'a quoted local part': '"ada"@example.com',
  'an address literal': 'ada@[127.0.0.1]',
  'a display name': 'Ada <ada@example.com>',
  'a comma': 'ada,bob@example.com',
}

export const mailRows: Row[] = [
  ...Object.entries(keptMails).map(([what, mail]) => {
    const email = ({ mail: unique }: At) => ({ email: mail(unique.split('@', 1)[0] ?? '') })
    return creates(`a mail address with ${what} is stored`, email)
  }),
  creates(
    'a mail address is stored in lower case',
    ({ mail }) => ({ email: mail.toUpperCase() }),
    ({ mail }) => ({ email: mail }),
  ),
  ...Object.entries(badMails).map(([what, email]) =>
    createRefused(`a mail address with ${what} is refused`, { email }, { email: mailRule }),
  ),
  createRefused('an empty mail address is refused', { email: '' }, { email: noMailRule }),
  createRefused(
    'a mail address of 255 characters is refused',
    { email: `${'x'.repeat(243)}@example.com` },
    { email: mailLengthRule },
  ),
  createRefused(
    'a mail address that breaks two rules has both',
    { email: 'x'.repeat(255) },
    { email: `${mailLengthRule}; ${mailRule}` },
  ),
  createRefused(
    'a mail address with U+0000 is refused',
    { email: 'a\0@example.com' },
    { email: `${textRule}; ${mailRule}` },
  ),
  {
    title: 'a mail address that exists is refused',
    async run(at) {
      await newUser(at)
      return {
        got: await at.call('createUser', { name: 'B', email: at.mail }),
        want: taken(at.mail),
      }
    },
  },
  {
    title: 'a mail address that exists in another case is refused',
    async run(at) {
      await newUser(at, { email: at.mail.toUpperCase() })
      return {
        got: await at.call('createUser', { name: 'B', email: at.mail.replace('e', 'E') }),
        want: taken(at.mail),
      }
    },
  },
  {
    title: 'a mail address is free again once its user is deleted',
    async run(at) {
      const id = await newUser(at)
      await at.call('deleteUser', { id })
      const { name } = messageOf(await at.call('createUser', { name: 'B', email: at.mail }))
      return { got: name, want: 'B' }
    },
  },
]
