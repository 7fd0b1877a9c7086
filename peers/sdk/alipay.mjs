// levee-pay beside Alipay's own library, alipay-sdk: `node alipay.mjs PEER`.
//
// The library has both halves of what a merchant does, and neither of Alipay's. So the gateway here
// signs with the library's own `signatureV3` (SHA-256 with RSA over a text), the library's client
// takes its answers, and its `checkNotifySignV2` takes the notifications, before ours is asked.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { AlipaySdk } from 'alipay-sdk';

import { bare, done, file, gateway, peer, rsa, same } from './support.mjs';

// Its functions for signing are not exported.
const main = createRequire(import.meta.url).resolve('alipay-sdk');
const internals = join(dirname(main), 'util.js');
const { sign, signatureV3 } = await import(pathToFileURL(internals)).then((all) => all.default ?? all);

const APP = '2021000000000001';
const SELLER = '2088000000000001';
const app = rsa('pkcs1');
const alipay = rsa('pkcs8');
const next = rsa('pkcs8');
const stranger = rsa('pkcs8');

/** What the gateway does with the next call; set by each check. */
let reply = { fields: {} };

const server = await gateway((request, body) => {
  const query = new URL(request.url, 'http://gateway').searchParams;
  const common = Object.fromEntries(query);
  const content = new URLSearchParams(body).get('biz_content');
  const { sign: signature, method, app_id, ...rest } = common;
  // The library signs the same parameters again. RSA PKCS#1 v1.5 has one signature for a text.
  const expected = sign(
    method,
    { ...rest, bizContent: JSON.parse(content) },
    { appId: app_id, charset: rest.charset, version: rest.version, signType: rest.sign_type, privateKey: app.privateKey },
    { bizContentAutoSnakeCase: false },
  );
  if (expected.sign !== signature) throw new Error(`the signature of ${method} is not the library's`);
  const key = `${method.replaceAll('.', '_')}_response`;
  const inner = reply.text ?? JSON.stringify({ code: '10000', msg: 'Success', ...reply.fields });
  const made = signatureV3(inner, reply.key ?? alipay.privateKey);
  const signed = (reply.change ?? ((text) => text))(inner);
  const sent = `{"${key}":${signed},"sign":${JSON.stringify(made)}}`;
  return { status: 200, headers: { 'content-type': 'application/json;charset=utf-8' }, body: sent };
});

const address = `http://127.0.0.1:${server.port}/gateway.do`;
const levee = await peer(process.argv[2], {
  alipay: {
    gateway: address,
    app_id: APP,
    seller_id: SELLER,
    app_key: file('app.pem', app.privateKey),
    alipay_keys: [file('alipay.txt', bare(alipay.publicKey)), file('next.pem', next.publicKey)],
  },
});
const library = new AlipaySdk({
  appId: APP,
  privateKey: bare(app.privateKey),
  alipayPublicKey: bare(alipay.publicKey),
  gateway: address,
  camelcase: false,
});

// What both ask, word by word: one line for each operation.
const NUMBER = 'pay_0123456789abcdef';
const BACK = 'pay_0123456789abcdef_r1';
const expires_at_s = 1_770_400_000;
const order = { out_trade_no: NUMBER, amount_minor: 2_534, subject: '奶茶 & 礼品 + 1', notify_url: 'https://shop.example/notify?a=1&b=2', expires_at_s };
const refund = { out_trade_no: NUMBER, out_refund_no: BACK, amount_minor: 1_200, total_minor: 2_534, reason: '店铺已关门' };
const found = { out_trade_no: NUMBER, trade_no: '2026020622001400000000000001' };
const calls = [
  ['create', order, 'alipay.trade.precreate', { out_trade_no: NUMBER, total_amount: '25.34', subject: order.subject, time_expire: '2026-02-07 01:46:40' },
    { out_trade_no: NUMBER, qr_code: 'https://qr.example/bax00000' },
    { state: 'created', link: 'https://qr.example/bax00000' }],
  ['query', { out_trade_no: NUMBER }, 'alipay.trade.query', { out_trade_no: NUMBER },
    { ...found, trade_status: 'TRADE_SUCCESS', total_amount: '25.34', send_pay_date: '2026-02-06 09:00:00' },
    { state: 'succeeded', trade_no: found.trade_no, money: '2534 CNY' }],
  ['close', { out_trade_no: NUMBER }, 'alipay.trade.close', { out_trade_no: NUMBER },
    found, { state: 'closed', trade_no: found.trade_no }],
  ['refund', refund, 'alipay.trade.refund', { out_trade_no: NUMBER, refund_amount: '12.00', out_request_no: BACK, refund_reason: refund.reason },
    { ...found, fund_change: 'Y', refund_fee: '12.00' },
    { state: 'refunded', trade_no: found.trade_no }],
  ['refund_query', refund, 'alipay.trade.fastpay.refund.query', { out_trade_no: NUMBER, out_request_no: BACK },
    { ...found, out_request_no: BACK, refund_amount: '12.00', refund_status: 'REFUND_SUCCESS' },
    { state: 'refunded', trade_no: found.trade_no, money: '1200 CNY' }],
];
for (const [op, about, method, content, fields, expected] of calls) {
  reply = { fields };
  same(`${op}: what is read`, await levee.ask('alipay', op, about), expected);
  const ours = server.last();
  const options = op === 'create' ? { notifyUrl: order.notify_url } : {};
  const theirs = await library.exec(method, { ...options, bizContent: content }, { validateSign: true });
  same(`${op}: the library takes the answer`, theirs.code, '10000');
  const told = ({ url, body }) => {
    // Ours says which format it wants; the library leaves it open.
    const { sign: _, timestamp: __, format: ___, ...common } = Object.fromEntries(new URL(url, address).searchParams);
    return { common, content: JSON.parse(new URLSearchParams(body).get('biz_content')) };
  };
  same(`${op}: what is asked`, told(ours), told(server.last()));
}

// States, and what is wrong with an answer.
const query = (fields) => ({ fields: { ...found, total_amount: '25.34', ...fields } });
const paid = query({ trade_status: 'TRADE_SUCCESS' });
const refused = (sub_code) => ({ fields: { code: '40004', msg: 'Business Failed', sub_code, sub_msg: '' } });
const open = JSON.stringify({ code: '10000', ...paid.fields }, null, 2);
const tampered = { reply_error: 'the signature does not match' };
for (const [what, op, next_reply, expected] of [
  ['waiting', 'query', query({ trade_status: 'WAIT_BUYER_PAY' }), { state: 'pending', trade_no: found.trade_no }],
  ['over', 'query', query({ trade_status: 'TRADE_FINISHED' }), { state: 'succeeded', trade_no: found.trade_no, money: '2534 CNY' }],
  ['closed', 'query', query({ trade_status: 'TRADE_CLOSED' }), { state: 'closed', trade_no: found.trade_no }],
  ['all of it went back', 'query', query({ trade_status: 'TRADE_CLOSED', send_pay_date: '2026-02-06 09:00:00' }), { state: 'refunded', trade_no: found.trade_no, money: '2534 CNY' }],
  ['not scanned', 'query', refused('ACQ.TRADE_NOT_EXIST'), { state: 'unknown' }],
  ['a fault of theirs', 'query', refused('ACQ.SYSTEM_ERROR'), { state: 'unknown' }],
  ['never scanned', 'close', refused('ACQ.TRADE_NOT_EXIST'), { state: 'closed' }],
  ['no such refund', 'refund_query', { fields: {} }, { state: 'unknown' }],
  ['refused', 'refund', refused('ACQ.SELLER_BALANCE_NOT_ENOUGH'), { reply_error: 'refused with ACQ.SELLER_BALANCE_NOT_ENOUGH: ' }],
  ['with spaces and lines', 'query', { text: open }, { state: 'succeeded', trade_no: found.trade_no, money: '2534 CNY' }],
  ['by the next key', 'query', { ...paid, key: next.privateKey }, { state: 'succeeded', trade_no: found.trade_no, money: '2534 CNY' }],
  ['by a stranger', 'query', { ...paid, key: stranger.privateKey }, tampered],
  ['changed', 'query', { ...paid, change: (text) => text.replace('25.34', '0.01') }, tampered],
  ['respaced', 'query', { ...paid, change: (text) => text.replace(',', ', ') }, tampered],
  ['about another', 'query', query({ out_trade_no: 'pay_another', trade_status: 'TRADE_SUCCESS' }), { reply_error: 'it is about another payment or refund' }],
]) {
  reply = next_reply;
  same(`${op} ${what}`, await levee.ask('alipay', op, op.startsWith('refund') ? refund : { out_trade_no: NUMBER }), expected);
}
same('dollars', await levee.ask('alipay', 'create', { ...order, currency: 'USD' }), { request_error: 'the provider does not take this currency' });

// Notifications.
const beijing = (at) => new Date(at + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
const HOUR = 3_600_000;
const told = {
  notify_time: beijing(Date.now()), notify_type: 'trade_status_sync', notify_id: '2026020600222090000000000000000001',
  charset: 'utf-8', version: '1.0', app_id: APP, auth_app_id: APP, seller_id: SELLER, trade_no: found.trade_no, out_trade_no: NUMBER,
  trade_status: 'TRADE_SUCCESS', total_amount: '25.34', receipt_amount: '25.34', gmt_create: '2026-02-06 08:59:50', gmt_payment: '2026-02-06 09:00:00',
  subject: order.subject, fund_bill_list: '[{"amount":"25.34","fundChannel":"ALIPAYACCOUNT"}]', body: '',
};
const signed = (fields, key = alipay.privateKey) => {
  const text = Object.keys(fields).sort().map((name) => `${name}=${fields[name]}`).join('&');
  return { ...fields, sign: signatureV3(text, key), sign_type: 'RSA2' };
};
const send = (fields) => levee.notify('alipay', { 'content-type': 'application/x-www-form-urlencoded' }, new URLSearchParams(fields).toString());
const read = { id: told.notify_id, out_trade_no: NUMBER, trade_no: told.trade_no, state: 'succeeded', money: '2534 CNY', app_id: APP, merchant_id: SELLER };
const accepted = (more = {}) => ({ status: 200, body: 'success', read: { ...read, ...more } });
const turned = (reason) => ({ status: 401, body: reason, read: reason });
for (const [what, fields, key, genuine, expected] of [
  ['paid', told, alipay, true, accepted()],
  ['by the next key', told, next, false, accepted()],
  ['a day late', { ...told, notify_time: beijing(Date.now() - 25 * HOUR) }, alipay, true, accepted()],
  ['closed', { ...told, trade_status: 'TRADE_CLOSED', gmt_payment: undefined }, alipay, true, accepted({ state: 'closed' })],
  ['all of it went back', { ...told, trade_status: 'TRADE_CLOSED' }, alipay, true, accepted({ state: 'refunded' })],
  ['a part went back', { ...told, gmt_refund: told.notify_time, out_biz_no: `${NUMBER}_1`, refund_fee: '12.00' }, alipay, true, accepted({ state: 'refunded', out_refund_no: `${NUMBER}_1`, money: '1200 CNY', is_sum: true })],
  ['another kind', { ...told, notify_type: 'servicemarket_order_notify' }, alipay, true, { status: 200, body: 'success', read: 'other_event' }],
  ['wrong app', { ...told, app_id: '2021000000000002' }, alipay, true, turned('wrong_app')],
  ['wrong seller', { ...told, seller_id: '2088000000000002' }, alipay, true, turned('wrong_merchant')],
  ['replayed two days later', { ...told, notify_time: beijing(Date.now() - 48 * HOUR) }, alipay, true, turned('too_old')],
  ['from tomorrow', { ...told, notify_time: beijing(Date.now() + HOUR) }, alipay, true, turned('too_old')],
  ['by a stranger', told, stranger, false, turned('tampered')],
]) {
  const kept = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const message = signed(kept, key.privateKey);
  same(`notification ${what}: the library's word`, library.checkNotifySignV2(message), genuine);
  same(`notification ${what}`, await send(message), expected);
}
const message = signed(told);
for (const [what, changed] of [
  ['another amount', { ...message, total_amount: '0.01' }],
  ['a field more', { ...message, extra: '1' }],
  ['another signature', { ...message, sign: signed({ ...told, body: '1' }).sign }],
]) {
  same(`notification with ${what}: the library's word`, library.checkNotifySignV2(changed), false);
  same(`notification with ${what}`, await send(changed), turned('tampered'));
}
same('SHA-1', await send({ ...message, sign_type: 'RSA' }), turned('malformed'));
const { sign: _, ...unsigned } = message;
same('no signature', await send(unsigned), turned('malformed'));

levee.stop();
server.stop();
done('alipay');
