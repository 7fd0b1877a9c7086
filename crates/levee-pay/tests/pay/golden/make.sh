#!/usr/bin/env bash
# Makes the files beside it with openssl (and Node for AES-GCM, which openssl's command has not):
# keys in all forms, and one genuine notification of each provider. None of it is made by our code,
# and none of the keys is used for anything else. Tests read what is kept here; running this again
# makes other keys, and so other signatures everywhere.
set -euo pipefail
cd "$(dirname "$0")"

for side in merchant provider; do
    openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$side.pkcs8.pem"
    openssl pkey -in "$side.pkcs8.pem" -traditional -out "$side.pkcs1.pem"
    openssl pkey -in "$side.pkcs8.pem" -pubout -out "$side.public.pem"
    grep -v -- ----- "$side.pkcs8.pem" | tr -d '\n' >"$side.pkcs8.base64.txt"
    grep -v -- ----- "$side.pkcs1.pem" | tr -d '\n' >"$side.pkcs1.base64.txt"
    grep -v -- ----- "$side.public.pem" | tr -d '\n' >"$side.public.base64.txt"
done
openssl req -x509 -key provider.pkcs8.pem -subj "/CN=Tenpay.com sign" -days 36500 \
    -set_serial 0x0B6F2A1900000000000000000000000000C0FFEE -out provider.certificate.pem
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.pkcs8.pem
openssl pkey -in short.pkcs8.pem -pubout -out short.public.pem
openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out curve.pkcs8.pem
openssl pkey -in curve.pkcs8.pem -pubout -out curve.public.pem

# The signature of stdin by a side, in base64.
sign() { openssl dgst -sha256 -sign "$1.pkcs8.pem" | openssl base64 -A; }

# What a merchant signs when it asks Alipay and WeChat Pay about a payment.
printf '%s' 'app_id=2021000000000001&biz_content={"out_trade_no":"pay_0123456789abcdef"}' \
    '&charset=utf-8&format=JSON&method=alipay.trade.query&sign_type=RSA2' \
    '&timestamp=2026-02-06 09:00:01&version=1.0' | sign merchant >alipay.query.signature.txt
printf '%s\n' GET '/v3/pay/transactions/out-trade-no/pay_0123456789abcdef?mchid=1900000001' \
    1770339601 000102030405060708090a0b0c0d0e0f '' | sign merchant >wechat.query.signature.txt

# Alipay: `name=value`, sorted, one a line here.
cat >alipay.fields.txt <<'FIELDS'
app_id=2021000000000001
auth_app_id=2021000000000001
charset=utf-8
gmt_create=2026-02-06 08:59:50
gmt_payment=2026-02-06 09:00:00
notify_id=2026020600222090000000000000000001
notify_time=2026-02-06 09:00:01
notify_type=trade_status_sync
out_trade_no=pay_0123456789abcdef
seller_id=2088000000000001
subject=奶茶 & 礼品
total_amount=25.34
trade_no=2026020622001400000000000001
trade_status=TRADE_SUCCESS
version=1.0
FIELDS
paste -sd '&' alipay.fields.txt | tr -d '\n' | sign provider >alipay.signature.txt

# WeChat Pay: the payment is sealed with the API v3 key, and what is sent is signed.
node - >wechat.body.json <<'SEAL'
const { createCipheriv } = require('node:crypto');
const payment = JSON.stringify({
  mchid: '1900000001', appid: 'wx0000000000000001', out_trade_no: 'pay_0123456789abcdef',
  transaction_id: '4200000000202602060000000001', trade_type: 'NATIVE', trade_state: 'SUCCESS',
  trade_state_desc: '支付成功', success_time: '2026-02-06T09:00:00+08:00', payer: { openid: 'oUpF8' },
  amount: { total: 2534, payer_total: 2534, currency: 'CNY', payer_currency: 'CNY' },
});
const seal = createCipheriv('aes-256-gcm', '0123456789abcdef0123456789abcdef', 'fdasflkja484');
seal.setAAD(Buffer.from('transaction'));
const sealed = Buffer.concat([seal.update(payment), seal.final(), seal.getAuthTag()]);
process.stdout.write(JSON.stringify({
  id: 'EV-2026020609000000001', create_time: '2026-02-06T09:00:00+08:00',
  resource_type: 'encrypt-resource', event_type: 'TRANSACTION.SUCCESS', summary: '支付成功',
  resource: {
    original_type: 'transaction', algorithm: 'AEAD_AES_256_GCM',
    ciphertext: sealed.toString('base64'), associated_data: 'transaction', nonce: 'fdasflkja484',
  },
}));
SEAL
{ printf '1770339601\n593BEC0C930BF1AFEB40B4A08C8FB242\n'; cat wechat.body.json; echo; } |
    sign provider >wechat.signature.txt

# Stripe: HMAC of time, full stop and body, under the text of the secret.
cat >stripe.body.json <<'EVENT'
{
  "id": "evt_1",
  "object": "event",
  "type": "payment_intent.succeeded",
  "livemode": false,
  "data": {
    "object": {
      "id": "pi_1",
      "object": "payment_intent",
      "amount": 2534,
      "amount_received": 2534,
      "currency": "usd",
      "livemode": false,
      "metadata": { "out_trade_no": "pay_0123456789abcdef" },
      "status": "succeeded"
    }
  }
}
EVENT
{ printf '1770339601.'; cat stripe.body.json; } |
    openssl dgst -sha256 -hmac whsec_the_secret_of_the_endpoint | sed 's/.* //' | tr -d '\n' \
    >stripe.signature.txt
