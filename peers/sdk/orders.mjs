// A whole server beside Alipay's and Stripe's own libraries: `node orders.mjs LEVEE`.
//
// `levee serve` makes payments of orders at a gateway of ours, in which the library of Alipay signs
// every request again and answers what it has signed. Notifications are signed by the libraries. One
// payment is paid by notification, one is found by a question, and a part of the first goes back.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

import { AlipaySdk } from 'alipay-sdk';
import Stripe from 'stripe';

import { bare, done, file, folder, gateway, rsa, same } from './support.mjs';

const main = createRequire(import.meta.url).resolve('alipay-sdk');
const internals = join(dirname(main), 'util.js');
const { sign, signatureV3 } = await import(pathToFileURL(internals)).then((all) => all.default ?? all);

const APP = '2021000000000001';
const SELLER = '2088000000000001';
const KEY = 'sk_test_levee';
const SECRET = 'whsec_the_secret_of_the_endpoint';
const WAIT = 30_000;
const app = rsa('pkcs8');
const alipay = rsa('pkcs8');

/** What the provider has, by our number. */
const books = new Map();
const yuan = (fen) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, '0')}`;

// What Alipay does with a request whose signature is the library's.
function doAtAlipay(method, content) {
  const number = content.out_trade_no;
  const good = (fields) => ({ code: '10000', msg: 'Success', out_trade_no: number, ...fields });
  const one = books.get(number);
  if (method === 'alipay.trade.precreate') {
    if (!one) books.set(number, { minor: Math.round(content.total_amount * 100), paid: false, refunds: new Map() });
    return good({ qr_code: `https://qr.alipay.com/${number}` });
  }
  if (!one?.paid) return { code: '40004', msg: 'Business Failed', sub_code: 'ACQ.TRADE_NOT_EXIST', sub_msg: 'no' };
  if (method === 'alipay.trade.query') {
    return good({ trade_no: '2026', trade_status: 'TRADE_SUCCESS', total_amount: yuan(one.minor), send_pay_date: '2026-02-06 09:00:00' });
  }
  if (method === 'alipay.trade.refund') {
    one.refunds.set(content.out_request_no, content.refund_amount);
    return good({ fund_change: 'Y', refund_fee: content.refund_amount });
  }
  const amount = one.refunds.get(content.out_request_no);
  return amount
    ? good({ out_request_no: content.out_request_no, refund_status: 'REFUND_SUCCESS', refund_amount: amount })
    : { code: '10000', msg: 'Success' };
}

function askedOfAlipay({ url }, body) {
  const common = Object.fromEntries(new URL(url, 'http://gateway').searchParams);
  const content = JSON.parse(new URLSearchParams(body).get('biz_content'));
  const { sign: signature, method, app_id, notify_url, ...rest } = common;
  const expected = sign(
    method,
    { ...rest, ...(notify_url && { notifyUrl: notify_url }), bizContent: content },
    { appId: app_id, charset: rest.charset, version: rest.version, signType: rest.sign_type, privateKey: app.privateKey },
    { bizContentAutoSnakeCase: false },
  );
  if (expected.sign !== signature) throw new Error(`the signature of ${method} is not the library's`);
  const inner = JSON.stringify(doAtAlipay(method, content));
  const made = signatureV3(inner, alipay.privateKey);
  const text = `{"${method.replaceAll('.', '_')}_response":${inner},"sign":${JSON.stringify(made)}}`;
  return { status: 200, headers: { 'content-type': 'application/json;charset=utf-8' }, body: text };
}

// What the library of Stripe reads of an intent is asked by the library itself, below.
const intent = (number) => {
  const one = books.get(number);
  return {
    id: `pi_${number}`, object: 'payment_intent', amount: one.minor, amount_received: one.paid ? one.minor : 0, currency: 'cny', livemode: false,
    client_secret: `pi_${number}_secret_1`, metadata: { out_trade_no: number }, status: one.paid ? 'succeeded' : 'requires_payment_method',
  };
};
const refundsOf = (number) => [...books.get(number).refunds].map(([back, minor]) => ({
  id: `re_${back}`, object: 'refund', amount: Number(minor), currency: 'cny', payment_intent: `pi_${number}`, status: 'succeeded',
  metadata: { out_trade_no: number, out_refund_no: back },
}));

function askedOfStripe({ method, url, headers }, body) {
  if (headers.authorization !== `Bearer ${KEY}`) throw new Error('another key');
  const [path, query] = url.split('?');
  const form = new URLSearchParams(body);
  const number = (path.match(/pi_(pay_[A-Z0-9]+)/) ?? (query ?? body).match(/pi_(pay_[A-Z0-9]+)/))?.[1];
  let said;
  if (path === '/v1/payment_intents') {
    const made = form.get('metadata[out_trade_no]');
    if (!books.has(made)) books.set(made, { minor: Number(form.get('amount')), paid: false, refunds: new Map() });
    said = intent(made);
  } else if (path === '/v1/refunds' && method === 'POST') {
    books.get(number).refunds.set(form.get('metadata[out_refund_no]'), form.get('amount'));
    [said] = refundsOf(number);
  } else if (path === '/v1/refunds') {
    said = { object: 'list', has_more: false, data: refundsOf(number) };
  } else {
    said = intent(number);
  }
  return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(said) };
}

const notified = {
  alipay(number) {
    const at = new Date(Date.now() + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ');
    const fields = {
      notify_time: at, notify_type: 'trade_status_sync', notify_id: '1', app_id: APP, seller_id: SELLER, trade_no: '2026', out_trade_no: number,
      trade_status: 'TRADE_SUCCESS', total_amount: yuan(books.get(number).minor), gmt_payment: at,
    };
    const text = Object.keys(fields).sort().map((name) => `${name}=${fields[name]}`).join('&');
    const message = { ...fields, sign: signatureV3(text, alipay.privateKey), sign_type: 'RSA2' };
    const library = new AlipaySdk({ appId: APP, privateKey: bare(app.privateKey), alipayPublicKey: bare(alipay.publicKey) });
    same("the notification: Alipay's library's word", library.checkNotifySignV2(message), true);
    return [{ 'content-type': 'application/x-www-form-urlencoded' }, new URLSearchParams(message).toString()];
  },
  stripe(number) {
    const event = { id: 'evt_1', object: 'event', type: 'payment_intent.succeeded', livemode: false, data: { object: intent(number) } };
    const payload = JSON.stringify(event);
    const header = stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET });
    same("the notification: Stripe's library's word", stripe.webhooks.constructEvent(payload, header, SECRET).id, 'evt_1');
    return [{ 'stripe-signature': header }, payload];
  },
};

const server = await gateway((request, body) => {
  if (request.url.startsWith('/gateway.do')) return askedOfAlipay(request, body);
  if (request.url.startsWith('/v1/')) return askedOfStripe(request, body);
  return { status: 200, headers: {}, body: '{}' }; // The systems of outlets.
});
const address = `http://127.0.0.1:${server.port}`;
const stripe = new Stripe(KEY, { host: '127.0.0.1', port: server.port, protocol: 'http', apiVersion: '2024-06-20', telemetry: false });

const sections = {
  alipay: `provider = "alipay"
app_id = "${APP}"
seller_id = "${SELLER}"
app_key_file = "${file('app.pem', app.privateKey)}"
alipay_key_files = ["${file('alipay.txt', bare(alipay.publicKey))}"]
gateway = "${address}/gateway.do"
`,
  stripe: `provider = "stripe"
api_key_file = "${file('api-key.txt', KEY)}"
endpoint_secret_files = ["${file('endpoint.txt', SECRET)}"]
live = false
currency = "CNY"
gateway = "${address}"
`,
};

/** Starts a server with one provider; the day runs so fast that a question follows soon. */
async function start(name) {
  const config = file(`${name}.toml`, `[sandbox]\nurl = "${address}"\n[payments.${name}]\n${sections[name]}`);
  const child = spawn(
    process.argv[2],
    ['serve', '--dev', '--listen', '127.0.0.1:0', '--speed', '10', '--data', join(folder, name), '--config', config, '--log', 'error'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  process.on('exit', () => child.kill());
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const base = value?.match(/http:\/\/\S+/)?.[0];
  assert.ok(base, 'the server has not started');
  let key = 0;
  const ask = async (role, method, path, body) => {
    const headers = { authorization: `Bearer dev-${role}`, 'levee-user': 'u1', 'content-type': 'application/json', 'idempotency-key': `k${(key += 1)}` };
    const response = await fetch(`${base}${path}`, { method, headers, body: body && JSON.stringify(body) });
    assert.ok(response.ok, `${path}: ${response.status}`);
    return response.json();
  };
  const until = async (what, payment, isSo) => {
    for (const end = Date.now() + WAIT; ; ) {
      const seen = await ask('app', 'GET', `/v1/payments/${payment}`);
      if (isSo(seen)) return seen;
      assert.ok(Date.now() < end, `${what}: ${JSON.stringify(seen)}`);
      await new Promise((then) => setTimeout(then, 25));
    }
  };
  const notify = (headers, body) => fetch(`${base}/v1/payments/${name}/notify`, { method: 'POST', headers, body });
  const stopped = new Promise((then) => child.on('exit', then));
  return { ask, until, notify, stop: () => child.kill('SIGTERM') && stopped };
}

for (const name of ['alipay', 'stripe']) {
  const levee = await start(name);
  await levee.ask('operator', 'PUT', '/v1/outlets/sh-1', {
    brand: 'dev', vendor: 'pos-a', name: "People's Square", lat: 31.2, lng: 121.4, stations: 9, minutes_per_unit: 1.0, accept_within: 'PT4H',
    menu: [{ sku: 'grape', name: 'Grape', category: 'milk-tea', price_minor: 1_900 }], pos: { sandbox: true },
  });
  const buy = async () => {
    const { order } = await levee.ask('app', 'POST', '/v1/orders', { user_id: 'u1', outlet_id: 'sh-1', items: [{ sku: 'grape', quantity: 2 }] });
    const payment = order.payment.id;
    const seen = await levee.until('how it is paid', payment, (seen) => seen.pay_url ?? seen.client_secret);
    same(`${name}: how it is paid`, seen.pay_url ?? seen.client_secret, name === 'alipay' ? `https://qr.alipay.com/${payment}` : `pi_${payment}_secret_1`);
    same(`${name}: what is to be paid`, books.get(payment).minor, 3_800);
    books.get(payment).paid = true;
    return [order.id, payment];
  };
  const [order, payment] = await buy();
  if (name === 'stripe') {
    const read = await stripe.paymentIntents.retrieve(`pi_${payment}`);
    same("stripe: the library finds Levee's number", read.metadata.out_trade_no, payment);
  }
  const heard = await levee.notify(...notified[name](payment));
  same(`${name}: the notification is taken`, [heard.status, await heard.text()], [200, name === 'alipay' ? 'success' : '']);
  await levee.until('paid', payment, (seen) => seen.state === 'succeeded');
  const [, lost] = await buy();
  await levee.until('found by a question', lost, (seen) => seen.state === 'succeeded');
  await levee.ask('operator', 'POST', `/v1/orders/${order}/refunds`, { amount_minor: 1_000, reason: 'r', reference: 'a' });
  await levee.until('given back', payment, (seen) => seen.refunded_minor === 1_000);
  same(`${name}: under one number`, [...books.get(payment).refunds.keys()], [`${payment}_1`]);
  await levee.stop();
}
server.stop();
done('orders');
