import { nameRule, textRule } from './outcomes.ts'
import { createRefused, creates, json, onlyIn, type Row, unreadable } from './row.ts'

const whiteSpace =
  '\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000'

const keptNames = {
  'one letter': 'A',
  '100 letters': 'a'.repeat(100),
  '100 emoji, which are 200 UTF-16 units': '😀'.repeat(100),
  'spaces inside': 'Ada  King\tof\u00a0Lovelace',
  'a zero-width no-break space alone': '\ufeff',
  'a zero-width no-break space at both ends': '\ufeffAda\ufeff',
  'a zero-width space alone': '\u200b',
  'a Mongolian vowel separator alone': '\u180e',
  'a letter in composed form': 'Zo\u00eb',
  'a letter in decomposed form': 'Zoe\u0308',
  'letters from right to left': 'עדה \u202bلوفلايس\u202c',
  'a family joined by ZWJ': '👩‍👩‍👧‍👦',
  'a flag and a skin tone': '🏴󠁧󠁢󠁷󠁬󠁳󠁿👍🏽',
  'noncharacters, private use and the last code point': '\uffff\ue000\u{10ffff}',
  'a replacement character': '\ufffd',
  'control characters but U+0000': 'a\u0001\u001b\u007fb',
  'what SQL and JSON quote': `'; DROP TABLE users; -- \\ " % _ \u2028 $1`,
  'the word null': 'null',
}

export const nameRows: Row[] = [
  ...Object.entries(keptNames).map(([what, name]) =>
    creates(`a name of ${what} is stored unchanged`, { name }),
  ),
  creates(
    'space around a name is trimmed',
    { name: `${whiteSpace}Ada${whiteSpace}` },
    { name: 'Ada' },
  ),
  creates(
    'a name is counted after trimming',
    { name: ` ${'é'.repeat(100)} ` },
    { name: 'é'.repeat(100) },
  ),
  createRefused('a name of 101 letters is refused', { name: 'a'.repeat(101) }, { name: nameRule }),
  createRefused('a name of 101 emoji is refused', { name: '😀'.repeat(101) }, { name: nameRule }),
  createRefused('an empty name is refused', { name: '' }, { name: nameRule }),
  createRefused('a name of one space is refused', { name: ' ' }, { name: nameRule }),
  createRefused(
    'a name of every Unicode space is refused',
    { name: whiteSpace },
    { name: nameRule },
  ),
  createRefused('a name with U+0000 is refused', { name: 'A\0da' }, { name: textRule }),
  ...onlyIn(
    json,
    unreadable('a name with a lone high surrogate is refused', { name: 'A\ud83d' }, 'name'),
    unreadable('a name with a lone low surrogate is refused', { name: '\ude00A' }, 'name'),
    unreadable('a mail address with a lone surrogate is refused', { email: '\ud800@x.y' }, 'email'),
    unreadable('a phone with a lone surrogate is refused', { phone: '123\udfff' }, 'phone'),
  ),
  createRefused('JSON null for a name is no name', { name: null }, { name: nameRule }),
  creates('JSON null for a phone is no phone', { phone: null }, { phone: '' }),
]
