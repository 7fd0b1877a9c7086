"""What the checks with libraries for Python share: the peer (levee-pay behind a small server), keys,
a gateway on loopback that keeps what it was asked, and one way to compare."""

import json
import subprocess
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

checks = 0


def same(what, actual, expected):
    """Compares; a difference ends the script."""
    global checks
    checks += 1
    if actual != expected:
        raise SystemExit(f"{what}:\n  is       {actual}\n  expected {expected}")


def done(name):
    """The last line of a script."""
    if checks == 0:
        raise SystemExit("nothing was checked")
    print(f"{name}: {checks} checks passed")


class Key:
    """A pair of RSA keys, in the forms in which files hold them."""

    def __init__(self):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def private_pem(self, form=PrivateFormat.PKCS8):
        return self.private.private_bytes(Encoding.PEM, form, NoEncryption()).decode()

    def public_pem(self):
        form = PublicFormat.SubjectPublicKeyInfo
        return self.private.public_key().public_bytes(Encoding.PEM, form).decode()

    def certificate(self, serial):
        """A certificate that it signs itself, valid today."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Tenpay.com sign")])
        now = datetime.now(timezone.utc)
        builder = x509.CertificateBuilder(name, name, self.private.public_key(), serial)
        builder = builder.not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        made = builder.sign(self.private, hashes.SHA256())
        return made.public_bytes(Encoding.PEM).decode()


class Gateway:
    """A server on loopback. `answer(method, path, headers, body)` gives status, headers, body."""

    def __init__(self, answer):
        self.asked = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length).decode()
                asked.append((self.command, self.path, dict(self.headers), body))
                status, headers, text = answer(self.command, self.path, self.headers, body)
                sent = text.encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Peer:
    """levee-pay's example of the same name."""

    def __init__(self, program, config):
        self.folder = tempfile.TemporaryDirectory(prefix="levee-sdk-")
        written = Path(self.folder.name, "config.json")
        written.write_text(json.dumps(config(self.file)))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.child = subprocess.Popen([program, str(written)], **pipes)
        line = self.child.stdout.readline()
        if not line.startswith("listening on "):
            raise SystemExit("the peer has not started")
        self.base = "http://" + line.removeprefix("listening on ").strip()

    def file(self, name, text):
        path = Path(self.folder.name, name)
        path.write_text(text)
        return str(path)

    def notify(self, name, headers, body):
        """Status, body, and what was read of a notification."""
        said = requests.post(f"{self.base}/notify/{name}", headers=headers, data=body, timeout=10)
        read = said.headers.get("levee-read", "")
        return said.status_code, said.text, json.loads(read) if read.startswith("{") else read

    def ask(self, name, op, about):
        """What came of asking the provider's gateway."""
        said = requests.post(f"{self.base}/ask/{name}/{op}", json=about, timeout=10)
        if said.status_code != 200:
            raise SystemExit(f"{op}: {said.text}")
        return said.json()

    def stop(self):
        self.child.stdin.close()
        self.child.wait(10)
        self.folder.cleanup()
