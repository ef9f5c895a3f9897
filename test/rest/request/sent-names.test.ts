import { Code } from '@connectrpc/connect'
import { test } from 'tap'
import { errorWithInfo } from '../../../src/call/refusal.ts'
import { compileSchema } from '../schema.ts'
import { serveSchema } from '../serve.ts'

const schema = compileSchema({
  messages: {
    Order: `string user_id; repeated Item order_items; map<string, Item> by_name;
      map<int32, Item> by_number; repeated string gift_tags; Order next_order`,
    Item: 'string product_id; Item spare_part; repeated Item its_parts',
  },
  methods: {
    Whole: ['Order', 'Order', { post: '/whole', body: '*' }],
    Field: ['Order', 'Order', { post: '/field', body: 'next_order' }],
    List: ['Order', 'Order', { post: '/list', body: 'order_items' }],
    Map: ['Order', 'Order', { post: '/map', body: 'by_name' }],
    Query: ['Order', 'Order', { get: '/query' }],
  },
})

/** The name in the answer to a request whose field at `path`, in proto names, breaks a rule. */
async function named(path: string, url: string, body?: object | string): Promise<unknown> {
  const refuse = () => {
    const violations = [{ field: path, rule: 'is wrong' }]
    throw errorWithInfo(Code.InvalidArgument, 'WRONG', 'is wrong', { violations })
  }
  const methods = schema.service.methods.map(({ localName }) => [localName, refuse] as const)
  const app = serveSchema(schema, Object.fromEntries(methods), { mapParameters: true })
  const type = typeof body === 'string' ? 'application/x-www-form-urlencoded' : 'application/json'
  const answer = await app.inject({
    method: body === undefined ? 'GET' : 'POST',
    url,
    headers: { 'content-type': type },
    ...(body !== undefined && { payload: body }),
  })
  const { reason, message, metadata } = answer.json<Record<string, string>>()
  const [name = ''] = Object.keys(metadata ?? {})
  return reason === 'WRONG' && message === `${name}: is wrong` ? name : answer.body
}

test('a field within lists and maps is named as the body has it, name by name', async (t) => {
  const at = (path: string, body: object) => named(path, '/whole', body)
  const path = 'order_items[1].spare_part.its_parts[0].product_id'
  const item = { sparePart: { its_parts: [{ productId: 'x' }] } }
  t.equal(
    await at(path, { orderItems: [{}, item] }),
    'orderItems[1].sparePart.its_parts[0].productId',
  )
  t.equal(
    await at(path, { order_items: [item, { spare_part: {} }] }),
    'order_items[1].spare_part.its_parts[0].product_id',
  )
  t.equal(await at('gift_tags[2]', { giftTags: ['a'] }), 'giftTags[2]')
  t.equal(
    await at('by_number[-5].product_id', { byNumber: { '-5': { productId: '' } } }),
    'byNumber[-5].productId',
  )
  for (const key of ['a', 'order_items', '].[', 'a\\"b', 'a\n\r\t', '__proto__', '']) {
    const written = `"${key.replace(/["\\]/g, '\\$&').replace('\n', '\\n').replace('\r', '\\r')}"`
    const byName = JSON.parse(`{${JSON.stringify(key)}:{"productId":"x"}}`) as object
    t.equal(await at(`by_name[${written}].product_id`, { byName }), `byName[${written}].productId`)
  }
})

test('what is no path of the message is named as it is', async (t) => {
  const body = { userId: 'a', orderItems: [{ productId: 'x' }] }
  for (const path of ['other_name', '[user_id.x]', 'if-match', 'order_items["cut…'])
    t.equal(await named(path, '/whole', body), path.replace('order_items', 'orderItems'))
})

test('a field within a body that is a field is named as an unreadable one is', async (t) => {
  const items = [{ productId: 'x' }]
  t.equal(
    await named('next_order.order_items[0].product_id', '/field', { orderItems: items }),
    'orderItems[0].productId',
  )
  t.equal(await named('order_items[0].product_id', '/list', items), 'order_items[0].productId')
  t.match(
    await named('', '/list', [{ productId: 1 }]),
    /MALFORMED_BODY.*"order_items\[0\].productId"/,
  )
  t.equal(await named('by_name["a"].product_id', '/map', { a: items[0] }), 'by_name["a"].productId')
})

test('an element that a query or a form gives is named by its key', async (t) => {
  t.equal(await named('gift_tags[1]', '/query?giftTags=a&giftTags=b'), 'giftTags[1]')
  t.equal(await named('next_order.gift_tags[0]', '/field', 'giftTags=a'), 'giftTags[0]')
  t.equal(
    await named('next_order.gift_tags[0]', '/query?nextOrder.gift_tags=a'),
    'nextOrder.gift_tags[0]',
  )
})
