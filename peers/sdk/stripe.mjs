// levee-pay beside Stripe's own library: `node stripe.mjs PEER`.
//
// Requests to Stripe are not signed, so both ask the same gateway, and what they ask is compared
// word by word. The library's test helper signs notifications; its `constructEvent` takes them
// before ours is asked.

import Stripe from 'stripe';

import { done, gateway, peer, same } from './support.mjs';

const KEY = 'sk_test_levee';
const NUMBER = 'pay_0123456789abcdef';
const BACK = 'pay_0123456789abcdef_r1';
const SECRETS = ['whsec_the_secret_of_the_endpoint', 'whsec_the_secret_that_comes_next'];
const STRANGER = 'whsec_the_secret_of_somebody_else';

/** What the gateway answers the next call. */
let reply = { status: 200, fields: {} };
const server = await gateway(() => ({
  status: reply.status ?? 200,
  headers: { 'content-type': 'application/json', 'request-id': 'req_1' },
  body: JSON.stringify(reply.fields),
}));
const address = `http://127.0.0.1:${server.port}`;
const section = { gateway: address, api_key: KEY, endpoint_secrets: SECRETS, live: false };
const levee = await peer(process.argv[2], { stripe: section });
const library = new Stripe(KEY, {
  host: '127.0.0.1', port: server.port, protocol: 'http', apiVersion: '2024-06-20', maxNetworkRetries: 0, telemetry: false,
});

const intent = {
  id: 'pi_3QAbCdEfGhIjKlMn0000abcd', object: 'payment_intent', amount: 2_534, amount_received: 0, currency: 'usd', livemode: false,
  client_secret: 'pi_3QAbCdEfGhIjKlMn0000abcd_secret_xyz', metadata: { out_trade_no: NUMBER }, status: 'requires_payment_method',
};
const back = {
  id: 're_3QAbCdEfGhIjKlMn0000abcd', object: 'refund', amount: 1_200, currency: 'usd', payment_intent: intent.id, status: 'succeeded',
  metadata: { out_trade_no: NUMBER, out_refund_no: BACK },
};
const paid = { ...intent, status: 'succeeded', amount_received: 2_534 };
const order = { out_trade_no: NUMBER, amount_minor: 2_534, currency: 'USD', subject: 'Milk tea & gift + 奶茶', notify_url: 'https://shop.example/', expires_at_s: 1_770_400_000 };
const trade = { out_trade_no: NUMBER, trade_no: intent.id };
const refund = { ...trade, out_refund_no: BACK, amount_minor: 1_200, total_minor: 2_534, currency: 'USD' };
const list = (data) => ({ object: 'list', data, has_more: false, url: '/v1/refunds' });
const found = (data) => ({ object: 'search_result', data, has_more: false, url: '/v1/payment_intents/search' });

const read_paid = { state: 'succeeded', trade_no: intent.id, money: '2534 USD' };
const read_back = { state: 'refunded', trade_no: intent.id, money: '1200 USD' };
const calls = [
  ['create', order, intent, { state: 'created', trade_no: intent.id, client_secret: intent.client_secret },
    () => library.paymentIntents.create(
      { amount: 2_534, currency: 'usd', description: order.subject, automatic_payment_methods: { enabled: true }, metadata: { out_trade_no: NUMBER } },
      { idempotencyKey: `create_${NUMBER}` })],
  ['query', trade, paid, read_paid, () => library.paymentIntents.retrieve(intent.id)],
  ['query', { out_trade_no: NUMBER }, found([paid]), read_paid,
    () => library.paymentIntents.search({ query: `metadata['out_trade_no']:'${NUMBER}'` })],
  ['close', trade, { ...intent, status: 'canceled' }, { state: 'closed', trade_no: intent.id },
    () => library.paymentIntents.cancel(intent.id, { cancellation_reason: 'abandoned' }, { idempotencyKey: `close_${NUMBER}` })],
  ['refund', refund, back, read_back,
    () => library.refunds.create(
      { payment_intent: intent.id, amount: 1_200, metadata: { out_trade_no: NUMBER, out_refund_no: BACK } },
      { idempotencyKey: `refund_${BACK}` })],
  ['refund_query', refund, list([{ ...back, metadata: {} }, back]), read_back,
    () => library.refunds.list({ payment_intent: intent.id, limit: 100 })],
];
const told = ({ method, url, headers, body }) => {
  const { pathname, searchParams } = new URL(url, address);
  const names = ['authorization', 'idempotency-key', 'stripe-version', 'stripe-account'];
  const kept = Object.fromEntries(names.map((name) => [name, headers[name]]));
  const sorted = (fields) => [...fields].sort(([a], [b]) => (a < b ? -1 : 1));
  const form = method === 'POST' ? headers['content-type'] : undefined;
  return { method, pathname, query: sorted(searchParams), kept, form, body: sorted(new URLSearchParams(body)) };
};
for (const [op, about, fields, expected, theirs] of calls) {
  reply = { fields };
  same(`${op}: what is read`, await levee.ask('stripe', op, about), expected);
  const ours = told(server.last());
  await theirs();
  same(`${op}: what is asked`, ours, told(server.last()));
}

// States, and what is wrong with an answer.
const refusal = (error, status = 402) => ({ status, fields: { error: { type: 'invalid_request_error', message: '', ...error } } });
for (const [what, op, next, expected] of [
  ['to be confirmed', 'query', { fields: { ...intent, status: 'requires_confirmation' } }, { state: 'created', trade_no: intent.id }],
  ['under way', 'query', { fields: { ...intent, status: 'processing' } }, { state: 'pending', trade_no: intent.id }],
  ['another step', 'query', { fields: { ...intent, status: 'requires_action' } }, { state: 'pending', trade_no: intent.id }],
  ['a new word', 'query', { fields: { ...intent, status: 'dreaming' } }, { state: 'unknown', trade_no: intent.id }],
  ['about another', 'query', { fields: { ...paid, metadata: { out_trade_no: 'pay_another' } } }, { reply_error: 'it is about another payment or refund' }],
  ['of live mode', 'query', { fields: { ...paid, livemode: true } }, { reply_error: 'it is about another app' }],
  ['paid before', 'close', refusal({ code: 'payment_intent_unexpected_state', payment_intent: paid }, 400), read_paid],
  ['too many calls', 'refund', { status: 429, fields: {} }, { state: 'unknown' }],
  ['the same under way', 'refund', { status: 409, fields: {} }, { state: 'unknown' }],
  ['a fault of theirs', 'create', { status: 500, fields: {} }, { state: 'unknown' }],
  ['turned down', 'refund', refusal({ code: 'charge_already_refunded' }, 400), { reply_error: 'refused with charge_already_refunded: ' }],
  ['under way', 'refund', { fields: { ...back, status: 'pending' } }, { ...read_back, state: 'refunding' }],
  ['failed', 'refund_query', { fields: list([{ ...back, status: 'failed' }]) }, { ...read_back, state: 'failed' }],
  ['not there', 'refund_query', { fields: list([]) }, { state: 'unknown' }],
]) {
  reply = next;
  const about = op === 'create' ? order : op.startsWith('refund') ? refund : trade;
  same(`${op} ${what}`, await levee.ask('stripe', op, about), expected);
}
reply = { fields: found([]) };
same('not found yet', await levee.ask('stripe', 'query', { out_trade_no: NUMBER }), { state: 'unknown' });
same('without its number', await levee.ask('stripe', 'close', { out_trade_no: NUMBER }), {
  request_error: "the provider's own number is needed",
});

// Notifications.
const now = () => Math.floor(Date.now() / 1000);
const event = (type, object, more = {}) =>
  JSON.stringify({ id: 'evt_1', object: 'event', type, livemode: false, created: now(), data: { object }, ...more }, null, 2);
const header = (payload, secret = SECRETS[0], timestamp = now()) =>
  library.webhooks.generateTestHeaderString({ payload, secret, timestamp });
const takes = (payload, signature, secret = SECRETS[0]) => {
  try {
    return library.webhooks.constructEvent(payload, signature, secret).id === 'evt_1';
  } catch {
    return false;
  }
};
const send = (payload, signature) => levee.notify('stripe', { 'content-type': 'application/json', 'stripe-signature': signature }, payload);
const ok = (read) => ({ status: 200, body: '', read });
const turned = (reason) => ({ status: 401, body: reason, read: reason });
const about = { id: 'evt_1', out_trade_no: NUMBER, trade_no: intent.id };
for (const [what, payload, expected] of [
  ['paid', event('payment_intent.succeeded', paid), ok({ ...about, state: 'succeeded', money: '2534 USD' })],
  ['turned down', event('payment_intent.payment_failed', intent), ok({ ...about, state: 'created', money: '2534 USD' })],
  ['closed', event('payment_intent.canceled', { ...intent, status: 'canceled' }), ok({ ...about, state: 'closed', money: '2534 USD' })],
  ['given back', event('refund.updated', back), ok({ ...about, out_refund_no: BACK, state: 'refunded', money: '1200 USD' })],
  ['not given back', event('refund.failed', { ...back, status: 'failed' }), ok({ ...about, out_refund_no: BACK, state: 'failed', money: '1200 USD' })],
  ["another's payment", event('payment_intent.succeeded', { ...paid, metadata: {} }), ok('other_event')],
  ['another kind', event('customer.created', { id: 'cus_1' }), ok('other_event')],
  ['of live mode', event('payment_intent.succeeded', paid, { livemode: true }), turned('wrong_app')],
  ['of an account', event('payment_intent.succeeded', paid, { account: 'acct_2' }), turned('wrong_merchant')],
]) {
  const signature = header(payload);
  same(`notification ${what}: the library's word`, takes(payload, signature), true);
  same(`notification ${what}`, await send(payload, signature), expected);
}
const payload = event('payment_intent.succeeded', paid);
const good = ok({ ...about, state: 'succeeded', money: '2534 USD' });
const both = `${header(payload, STRANGER)},${header(payload).split(',')[1]}`;
for (const [what, body, signature, genuine, expected] of [
  ['four minutes old', payload, header(payload, SECRETS[0], now() - 240), true, good],
  ['with a signature of the secret before', payload, both, true, good],
  ['six minutes old', payload, header(payload, SECRETS[0], now() - 360), false, turned('too_old')],
  ['changed', payload.replace('2534', '1'), header(payload), false, turned('tampered')],
  ['with a line more', `${payload}\n`, header(payload), false, turned('tampered')],
  ['respaced', payload.replace('\n', ' '), header(payload), false, turned('tampered')],
  ['by a stranger', payload, header(payload, STRANGER), false, turned('tampered')],
  ['with a new time', payload, header(payload, SECRETS[0], now() - 360).replace(/t=\d+/, `t=${now()}`), false, turned('tampered')],
  ['of another scheme', payload, header(payload).replace('v1=', 'v0='), false, turned('tampered')],
  ['without a time', payload, header(payload).replace(/t=\d+,/, ''), false, turned('malformed')],
]) {
  same(`notification ${what}: the library's word`, takes(body, signature), genuine);
  same(`notification ${what}`, await send(body, signature), expected);
}
// The library looks at the past alone; a time that is to come is no more ours to take.
same('notification from tomorrow', await send(payload, header(payload, SECRETS[0], now() + 3_600)), turned('too_old'));
const rotated = header(payload, SECRETS[1]);
same("by the next secret: the library's word", takes(payload, rotated, SECRETS[1]), true);
same('by the next secret', await send(payload, rotated), good);

levee.stop();
server.stop();
done('stripe');
