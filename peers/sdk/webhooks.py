"""Levee's Standard Webhooks beside the specification's own library for Python:
`python webhooks.py WEBHOOKS`."""

import base64
import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone

from standardwebhooks import Webhook, WebhookVerificationError
from support import done, same

pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
child = subprocess.Popen([sys.argv[1]], **pipes)


def levee(**line):
    child.stdin.write(json.dumps(line) + "\n")
    child.stdin.flush()
    return json.loads(child.stdout.readline())


def secret(byte):
    return "whsec_" + base64.b64encode(bytes([byte] * 32)).decode()


def takes(text, headers, body):
    try:
        Webhook(text).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


OLD, NEXT, STRANGER = secret(1), secret(2), secret(3)
ID, BODY = "msg_2026", json.dumps({"ticket": "tkt_1", "note": "少冰"}, ensure_ascii=False)

# Ours, taken by theirs.
for secrets, reader, body, expected in [
    (OLD, OLD, BODY, True),
    (f"{OLD} {NEXT}", OLD, BODY, True),
    (f"{OLD} {NEXT}", NEXT, BODY, True),
    (f"{OLD} {NEXT}", STRANGER, BODY, False),
    (OLD, OLD, BODY + " ", False),
]:
    headers = levee(secrets=secrets, body=BODY, id=ID)
    same("the library takes ours", takes(reader, headers, body), expected)

# Theirs, taken by ours.
mismatch = {"error": "webhook-signature does not match"}
outside = {"error": "webhook-timestamp is too far from this server's clock"}
for what, signers, age_s, secrets, body, expected in [
    ("one secret", [OLD], 0, OLD, BODY, {"id": ID}),
    ("ours is further", [OLD], 0, f"{NEXT} {OLD}", BODY, {"id": ID}),
    ("theirs is further", [NEXT], 0, f"{OLD} {NEXT}", BODY, {"id": ID}),
    ("both sign", [STRANGER, NEXT], 0, NEXT, BODY, {"id": ID}),
    ("six minutes old", [OLD], 360, OLD, BODY, outside),
    ("a stranger", [STRANGER], 0, f"{OLD} {NEXT}", BODY, mismatch),
    ("another body", [OLD], 0, OLD, BODY + " ", mismatch),
]:
    at = datetime.now(timezone.utc) - timedelta(seconds=age_s)
    signatures = " ".join(Webhook(text).sign(ID, at, BODY) for text in signers)
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures,
    }
    said = levee(secrets=secrets, body=body, headers=headers)
    same(f"ours takes the library's: {what}", said, expected)

child.stdin.close()
child.wait(10)
done("webhooks in Python")
