// What the checks with providers' libraries for Node share: the peer (levee-pay behind a small
// server), keys, a gateway on loopback that keeps what it was asked, and one way to compare.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

let count = 0;

/** Compares; a difference ends the script. */
export function same(what, actual, expected) {
  count += 1;
  assert.deepEqual(actual, expected, what);
}

/** The last line of a script. */
export function done(name) {
  assert.ok(count > 0, 'nothing was checked');
  console.log(`${name}: ${count} checks passed`);
}

/** A folder that is gone when the process ends. */
export const folder = mkdtempSync(join(tmpdir(), 'levee-sdk-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Writes a file into the folder and returns its path. */
export function file(name, text) {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** A pair of RSA keys as PEM; `form` is `pkcs8` or `pkcs1` for the private one. */
export function rsa(form) {
  return generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: form, format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
}

/** Base64 without the lines around it, as Alipay's page shows keys. */
export const bare = (pem) => pem.replace(/-----[^-]+-----/g, '').replace(/\s/g, '');

/** Starts a server; `answer(request, body)` returns `{ status, headers, body }`. */
export async function gateway(answer) {
  const asked = [];
  const server = createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces).toString();
      const { method, url, headers } = request;
      asked.push({ method, url, headers, body });
      let said;
      try {
        said = answer({ method, url, headers }, body);
      } catch (error) {
        // The script that asked says what it got; this says why.
        console.error(error);
        said = { status: 400, headers: {}, body: '{}' };
      }
      response.writeHead(said.status, said.headers).end(said.body);
    });
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  const { port } = server.address();
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, asked, last: () => asked.at(-1), stop };
}

/** Starts levee-pay's peer with a configuration. */
export async function peer(program, config) {
  const child = spawn(program, [file('config.json', JSON.stringify(config))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const { value } = await lines[Symbol.asyncIterator]().next();
  assert.ok(value?.startsWith('listening on '), 'the peer has not started');
  const base = `http://${value.slice('listening on '.length)}`;
  return {
    /** What an acknowledged or refused notification was answered with, and what was read. */
    async notify(name, headers, body) {
      const options = { method: 'POST', headers, body };
      const response = await fetch(`${base}/notify/${name}`, options);
      const read = response.headers.get('levee-read');
      return {
        status: response.status,
        body: await response.text(),
        read: read?.startsWith('{') ? JSON.parse(read) : read,
      };
    },
    /** What came of asking the provider's gateway. */
    async ask(name, op, about) {
      const options = { method: 'POST', body: JSON.stringify(about) };
      const response = await fetch(`${base}/ask/${name}/${op}`, options);
      const text = await response.text();
      assert.equal(response.status, 200, text);
      return JSON.parse(text);
    },
    stop: () => child.stdin.end(),
  };
}
