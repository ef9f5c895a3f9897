import { mailRule, nameRule, noMailRule, phoneRule, refused, textRule } from './outcomes.ts'
import { answers, createRefused, creates, type Row } from './row.ts'

export const phoneRows: Row[] = [
  ...['', '123', '+49 (0)30-123.45', '   ', '0'.repeat(32), '+-().'].map((phone) =>
    creates(`the phone ${JSON.stringify(phone)} is stored`, { phone }),
  ),
  ...[
    '1',
    '12',
    '0'.repeat(33),
    'abc',
    '123x',
    '123\n',
    '\t123',
    '١٢٣',
    '１２３',
    '123/4',
    '😀😀😀',
  ].map((phone) =>
    createRefused(`the phone ${JSON.stringify(phone)} is refused`, { phone }, { phone: phoneRule }),
  ),
  createRefused(
    'a phone with U+0000 is refused by both rules',
    { phone: '123\0' },
    { phone: `${textRule}; ${phoneRule}` },
  ),
  createRefused(
    'all offending fields are named at once',
    { name: '', email: 'ada', phone: 'x' },
    { name: nameRule, email: mailRule, phone: phoneRule },
  ),
  answers(
    'an empty create is refused',
    'createUser',
    {},
    refused({ name: nameRule, email: noMailRule }),
  ),
]
