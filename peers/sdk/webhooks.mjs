// Levee's Standard Webhooks beside the specification's own library for Node:
// `node webhooks.mjs WEBHOOKS`.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

import { Webhook } from 'standardwebhooks';

import { done, same } from './support.mjs';

const child = spawn(process.argv[2], [], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
const levee = async (line) => {
  child.stdin.write(`${JSON.stringify(line)}\n`);
  return JSON.parse((await lines.next()).value);
};

const secret = (byte) => `whsec_${Buffer.alloc(32, byte).toString('base64')}`;
const [OLD, NEXT, STRANGER] = [secret(1), secret(2), secret(3)];
const id = 'msg_2026';
const body = JSON.stringify({ ticket: 'tkt_1', note: '少冰 & less sugar' });
const takes = (text, headers, payload) => {
  try {
    new Webhook(text).verify(payload, headers);
    return true;
  } catch {
    return false;
  }
};

// Ours, taken by theirs.
for (const [secrets, reader, payload, expected] of [
  [OLD, OLD, body, true],
  [`${OLD} ${NEXT}`, OLD, body, true],
  [`${OLD} ${NEXT}`, NEXT, body, true],
  [`${OLD} ${NEXT}`, STRANGER, body, false],
  [OLD, NEXT, body, false],
  [OLD, OLD, `${body} `, false],
]) {
  const headers = await levee({ secrets, body, id });
  same('the library takes ours', takes(reader, headers, payload), expected);
}

// Theirs, taken by ours.
const mismatch = { error: 'webhook-signature does not match' };
const outside = { error: "webhook-timestamp is too far from this server's clock" };
for (const [what, signers, age_s, secrets, payload, expected] of [
  ['one secret', [OLD], 0, OLD, body, { id }],
  ['ours is further', [OLD], 0, `${NEXT} ${OLD}`, body, { id }],
  ['theirs is further', [NEXT], 0, `${OLD} ${NEXT}`, body, { id }],
  ['both sign', [STRANGER, NEXT], 0, NEXT, body, { id }],
  ['four minutes old', [OLD], 240, OLD, body, { id }],
  ['six minutes old', [OLD], 360, OLD, body, outside],
  ['six minutes to come', [OLD], -360, OLD, body, outside],
  ['a stranger', [STRANGER], 0, `${OLD} ${NEXT}`, body, mismatch],
  ['another body', [OLD], 0, OLD, body.replace('1', '2'), mismatch],
]) {
  const at = new Date(Date.now() - age_s * 1_000);
  const signatures = signers.map((text) => new Webhook(text).sign(id, at, body)).join(' ');
  const headers = { 'webhook-id': id, 'webhook-timestamp': `${Math.floor(at / 1_000)}`, 'webhook-signature': signatures };
  same(`ours takes the library's: ${what}`, await levee({ secrets, body: payload, headers }), expected);
}

child.stdin.end();
done('webhooks in Node');
