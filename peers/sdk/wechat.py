"""levee-pay beside wechatpayv3: `python wechat.py PEER`.

The library has what a merchant does: it signs requests, verifies replies and notifications, and
decrypts. So the gateway here signs with the library's own functions, its client asks the same
gateway and takes its answers, and its `callback` takes the notifications, before ours is asked.
Encrypting is what WeChat Pay alone does; it is done with `cryptography`, by which the library
decrypts.
"""

import base64
import json
import re
import secrets
import sys
import time
from unittest import mock

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from support import Gateway, Key, Peer, done, same
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.utils import build_authorization, rsa_sign

APP, MERCHANT, SERIAL = "wx0000000000000001", "1900000001", "5F00AB"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000000012026020600000001"
OLD_SERIAL = 0x0ABC_DEF0_1234_5678_9ABC_DEF0_1234_5678
API_KEY, NEXT_API_KEY = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
SCHEME = "WECHATPAY2-SHA256-RSA2048"
NUMBER, BACK, TRADE = "pay_0123456789abcdef", "pay_0123456789abcdef_r1", "4200000000202602060000000001"

merchant, platform, old, stranger = Key(), Key(), Key(), Key()
keys = {PUBLIC_KEY_ID: platform, f"{OLD_SERIAL:X}": old}


def signed(body, key=platform, serial=PUBLIC_KEY_ID, at=None):
    """The headers that vouch for a body."""
    at, nonce = str(int(time.time()) if at is None else at), secrets.token_hex(16)
    return {
        "Content-Type": "application/json",
        "Wechatpay-Serial": serial,
        "Wechatpay-Signature": rsa_sign(key.private, f"{at}\n{nonce}\n{body}\n"),
        "Wechatpay-Signature-Type": SCHEME,
        "Wechatpay-Timestamp": at,
        "Wechatpay-Nonce": nonce,
    }


reply = {}


def answer(method, path, headers, body):
    """Refuses what the library would have signed otherwise; then says what `reply` has."""
    given = headers["Authorization"]
    fields = dict(re.findall(r'(\w+)="([^"]*)"', given))
    # The library signs the same call again. RSA PKCS#1 v1.5 has one signature for a text.
    with mock.patch("time.time", return_value=float(fields["timestamp"])):
        expected = build_authorization(
            path, method, MERCHANT, SERIAL, merchant.private, data=body, nonce_str=fields["nonce_str"]
        )
    if given != expected or abs(int(fields["timestamp"]) - time.time()) > 300:
        print(f"not as the library signs: {given}\n{expected}", file=sys.stderr)
        return 401, {}, "{}"
    text = json.dumps(reply["body"], ensure_ascii=False) if "body" in reply else ""
    headers = signed(text, **reply.get("sign", {}))
    headers.update(reply.get("headers", {}))
    if reply.get("unsigned"):
        headers = {}
    return reply.get("status", 200), headers, reply.get("change", str)(text)


gateway = Gateway(answer)
levee = Peer(
    sys.argv[1],
    lambda file: {
        "wechat": {
            "gateway": gateway.address,
            "app_id": APP,
            "merchant_id": MERCHANT,
            "merchant_serial": SERIAL,
            "merchant_key": file("merchant.pem", merchant.private_pem()),
            "platform_keys": [
                [file("platform.pem", platform.public_pem()), PUBLIC_KEY_ID],
                [file("old.pem", old.certificate(OLD_SERIAL)), None],
            ],
            "api_v3_keys": [API_KEY, NEXT_API_KEY],
        }
    },
)
library = WeChatPay(
    WeChatPayType.NATIVE,
    mchid=MERCHANT,
    private_key=merchant.private_pem(),
    cert_serial_no=SERIAL,
    appid=APP,
    apiv3_key=API_KEY,
    public_key=platform.public_pem(),
    public_key_id=PUBLIC_KEY_ID,
)
library._core._gate_way = gateway.address

order = {
    "out_trade_no": NUMBER,
    "amount_minor": 2_534,
    "subject": "奶茶 & 礼品",
    "notify_url": "https://shop.example/notify",
    "expires_at_s": 1_770_400_000,
}
refund = {
    "out_trade_no": NUMBER,
    "out_refund_no": BACK,
    "amount_minor": 1_200,
    "total_minor": 2_534,
    "reason": "店铺已关门",
    "notify_url": "https://shop.example/notify",
}
about = {"out_trade_no": NUMBER}
trade = {
    "appid": APP,
    "mchid": MERCHANT,
    "out_trade_no": NUMBER,
    "transaction_id": TRADE,
    "trade_type": "NATIVE",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "amount": {"total": 2_534, "payer_total": 2_534, "currency": "CNY", "payer_currency": "CNY"},
}
back = {
    "refund_id": "50000000382019052709732678859",
    "out_refund_no": BACK,
    "transaction_id": TRADE,
    "out_trade_no": NUMBER,
    "status": "SUCCESS",
    "amount": {"total": 2_534, "refund": 1_200, "payer_total": 2_534, "currency": "CNY"},
}
paid = {"state": "succeeded", "trade_no": TRADE, "money": "2534 CNY"}
given_back = {"state": "refunded", "trade_no": TRADE, "money": "1200 CNY"}
for op, asked, said, expected, theirs in [
    (
        "create",
        order,
        {"body": {"code_url": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}},
        {"state": "created", "link": "weixin://wxpay/bizpayurl?pr=p4lpSuKzz"},
        lambda: library.pay(
            order["subject"],
            NUMBER,
            {"total": 2_534, "currency": "CNY"},
            time_expire="2026-02-07T01:46:40+08:00",
            notify_url=order["notify_url"],
        ),
    ),
    ("query", about, {"body": trade}, paid, lambda: library.query(out_trade_no=NUMBER)),
    ("close", about, {"status": 204}, {"state": "closed"}, lambda: library.close(NUMBER)),
    (
        "refund",
        refund,
        {"body": back},
        given_back,
        lambda: library.refund(
            BACK,
            {"refund": 1_200, "total": 2_534, "currency": "CNY"},
            out_trade_no=NUMBER,
            reason=refund["reason"],
            notify_url=refund["notify_url"],
        ),
    ),
    ("refund_query", refund, {"body": back}, given_back, lambda: library.query_refund(BACK)),
]:
    reply = said
    same(f"{op}: what is read", levee.ask("wechat", op, asked), expected)
    ours = gateway.asked[-1]
    same(f"{op}: the library takes the answer", theirs()[0], said.get("status", 200))

    def told(call):
        method, path, headers, body = call
        kept = {name.lower(): value for name, value in headers.items()}
        wanted = [kept.get(name) for name in ("accept", "content-type", "wechatpay-serial")]
        return method, path, wanted, json.loads(body or "null")

    same(f"{op}: what is asked", told(ours), told(gateway.asked[-1]))

# States, and what is wrong with an answer.
state = lambda word: {"body": {**trade, "trade_state": word}}  # noqa: E731
refused = lambda code, status=400: {"status": status, "body": {"code": code, "message": ""}}  # noqa: E731
without_amount = {key: value for key, value in trade.items() if key not in ("amount", "transaction_id")}
probe = {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + "A" * 300}
old_sign = {"key": old, "serial": f"{OLD_SERIAL:X}"}
error = lambda text: {"reply_error": text}  # noqa: E731
for what, op, said, expected in [
    ("not paid", "query", {"body": {**without_amount, "trade_state": "NOTPAY"}}, {"state": "created"}),
    ("paying", "query", state("USERPAYING"), {"state": "pending", "trade_no": TRADE}),
    ("closed", "query", state("CLOSED"), {"state": "closed", "trade_no": TRADE}),
    ("turned down", "query", state("PAYERROR"), {"state": "failed", "trade_no": TRADE}),
    ("with refunds", "query", state("REFUND"), {**paid, "state": "refunding"}),
    ("a new word", "query", state("DREAMING"), {"state": "unknown", "trade_no": TRADE}),
    ("not there", "query", refused("ORDER_NOT_EXIST", 404), {"state": "unknown"}),
    ("a fault of theirs", "query", refused("SYSTEM_ERROR", 500), {"state": "unknown"}),
    ("too many calls", "refund", refused("FREQUENCY_LIMITED", 429), {"state": "unknown"}),
    ("never made", "close", refused("ORDERNOTEXIST", 404), {"state": "closed"}),
    ("never made, says anybody", "close", {**refused("ORDERNOTEXIST", 404), "unsigned": True}, error("refused without a good signature (wechatpay-signature is missing or malformed), with ORDERNOTEXIST: ")),
    ("paid before", "close", refused("ORDERPAID"), {"state": "unknown"}),
    ("refused", "refund", refused("NOT_ENOUGH", 403), error("refused with NOT_ENOUGH: ")),
    ("under way", "refund", {"body": {**back, "status": "PROCESSING"}}, {**given_back, "state": "refunding"}),
    ("stuck", "refund_query", {"body": {**back, "status": "ABNORMAL"}}, {**given_back, "state": "refunding"}),
    ("given up", "refund_query", {"body": {**back, "status": "CLOSED"}}, {**given_back, "state": "failed"}),
    ("not there", "refund_query", refused("RESOURCE_NOT_EXISTS", 404), {"state": "unknown"}),
    ("by the old key", "query", {"body": trade, "sign": old_sign}, paid),
    ("by a stranger", "query", {"body": trade, "sign": {"key": stranger}}, error("the signature does not match")),
    ("by a key of no name", "query", {"body": trade, "sign": {"serial": "0123"}}, error("it is signed with a key that is not configured")),
    ("changed", "query", {"body": trade, "change": lambda text: text.replace("2534", "1")}, error("the signature does not match")),
    ("an hour old", "query", {"body": trade, "sign": {"at": int(time.time()) - 3_600}}, error("the time in it is too far from this server's clock")),
    ("a probe", "query", {"body": trade, "headers": probe}, error("it is a probe with a wrong signature")),
    ("unsigned", "query", {"body": trade, "unsigned": True}, error("wechatpay-signature is missing or malformed")),
    ("about another", "query", {"body": {**trade, "out_trade_no": "pay_another"}}, error("it is about another payment or refund")),
    ("of another app", "query", {"body": {**trade, "appid": "wx2"}}, error("it is about another app")),
]:
    reply = said
    same(f"{op} {what}", levee.ask("wechat", op, refund if "refund" in op else about), expected)


# Notifications.
def envelope(event, resource, api_key=API_KEY, kind="transaction"):
    nonce = secrets.token_hex(6)
    sealed = AESGCM(api_key.encode()).encrypt(
        nonce.encode(), json.dumps(resource, ensure_ascii=False).encode(), kind.encode()
    )
    return json.dumps(
        {
            "id": "EV-2026020609000000001",
            "create_time": "2026-02-06T09:00:00+08:00",
            "resource_type": "encrypt-resource",
            "event_type": event,
            "summary": "支付成功",
            "resource": {
                "original_type": kind,
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": base64.b64encode(sealed).decode(),
                "associated_data": kind,
                "nonce": nonce,
            },
        },
        ensure_ascii=False,
    )


def takes(headers, body):
    """Whether the library does."""
    try:
        return bool(library.callback(headers, body))
    except Exception:
        return False


noted_back = {
    "mchid": MERCHANT,
    "transaction_id": TRADE,
    "out_trade_no": NUMBER,
    "refund_id": back["refund_id"],
    "out_refund_no": BACK,
    "refund_status": "SUCCESS",
    "user_received_account": "招商银行信用卡0403",
    "amount": {"total": 2_534, "refund": 1_200, "payer_total": 2_534, "payer_refund": 1_200},
}
about = {"id": "EV-2026020609000000001", "out_trade_no": NUMBER, "trade_no": TRADE, "merchant_id": MERCHANT}
read = {**about, "state": "succeeded", "money": "2534 CNY", "app_id": APP}
read_back = {**about, "out_refund_no": BACK, "state": "refunded", "money": "1200 CNY"}
good = envelope("TRANSACTION.SUCCESS", trade)
taken, now = (204, "", read), int(time.time())


def turned(reason):
    return 401, reason, reason


for what, body, sign, genuine, expected in [
    ("paid", good, {}, True, taken),
    ("given back", envelope("REFUND.SUCCESS", noted_back, kind="refund"), {}, True, (204, "", read_back)),
    ("stuck", envelope("REFUND.ABNORMAL", {**noted_back, "refund_status": "ABNORMAL"}), {}, True, (204, "", {**read_back, "state": "refunding"})),
    ("not given back", envelope("REFUND.CLOSED", {**noted_back, "refund_status": "CLOSED"}), {}, True, (204, "", {**read_back, "state": "failed"})),
    ("another kind", envelope("COUPON.USE", {}), {}, True, (204, "", "other_event")),
    ("four minutes old", good, {"at": now - 240}, True, taken),
    # The library looks at no time.
    ("six minutes old", good, {"at": now - 360}, True, turned("too_old")),
    ("from tomorrow", good, {"at": now + 3_600}, True, turned("too_old")),
    ("by a stranger", good, {"key": stranger}, False, turned("tampered")),
    ("by a key of no name", good, {"serial": "0123"}, False, turned("unknown_key")),
    ("wrong app", envelope("TRANSACTION.SUCCESS", {**trade, "appid": "wx2"}), {}, True, turned("wrong_app")),
    ("wrong merchant", envelope("TRANSACTION.SUCCESS", {**trade, "mchid": "2"}), {}, True, turned("wrong_merchant")),
    ("refund of another merchant", envelope("REFUND.SUCCESS", {**noted_back, "mchid": "2"}), {}, True, turned("wrong_merchant")),
    ("with another API key", envelope("TRANSACTION.SUCCESS", trade, secrets.token_hex(16)), {}, False, turned("undecryptable")),
]:
    headers = signed(body, **sign)
    # An unknown key makes the library ask for certificates, of which there are none here.
    reply = refused("RESOURCE_NOT_EXISTS", 404)
    same(f"notification {what}: the library's word", takes(headers, body), genuine)
    same(f"notification {what}", levee.notify("wechat", headers, body.encode()), expected)

rotated = envelope("TRANSACTION.SUCCESS", trade, NEXT_API_KEY)
same("with the next API key", levee.notify("wechat", signed(rotated), rotated.encode()), taken)
headers = signed(good, **old_sign)
same("by the old key", levee.notify("wechat", headers, good.encode()), taken)
headers = signed(good)
for what, changed, body, expected in [
    ("a probe", probe, good, "probe"),
    ("a space more", {}, good + " ", "tampered"),
    ("another body", {}, rotated, "tampered"),
    ("another time", {"Wechatpay-Timestamp": str(now + 1)}, good, "tampered"),
    ("another nonce", {"Wechatpay-Nonce": "0"}, good, "tampered"),
    ("another kind of signature", {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"}, good, "malformed"),
]:
    headers = {**signed(good, at=now), **changed}
    same(f"{what}: the library's word", takes(headers, body), False)
    same(what, levee.notify("wechat", headers, body.encode()), turned(expected))

levee.stop()
done("wechat")
