"""A small OpenID Connect provider that runs in the tests: discovery, keys, authorisation, token and user info."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from common import clock


class Provider:
    """Signs in whoever `claims` says; its key signs id tokens by RS256."""

    def __init__(self) -> None:
        self.url = ""
        self.claims: dict[str, Any] = {}
        self.secret, self.client_id = "provider-secret", "factorypulse"
        self.key = self.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes: dict[str, str] = {}
        # What a provider that lies, or is set up wrongly, says instead.
        self.about: dict[str, Any] | None = None
        self.described: dict[str, Any] = {}

    def authorise(self, location: str) -> str:
        """What a browser does there: returns the address that it is sent back to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["client_id"] == self.client_id
        self.codes["code-1"] = asked.get("nonce", "")
        return f"{asked['redirect_uri']}?{urlencode({'code': 'code-1', 'state': asked['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """The answer of the token endpoint; a code works once."""
        nonce = self.codes.pop(form["code"])
        now = int(clock.now().timestamp())
        claims = {"iss": self.url, "aud": self.client_id, "iat": now, "exp": now + 60, "nonce": nonce, **self.claims}
        token = jwt.encode(claims, self.signs_with, algorithm="RS256", headers={"kid": "1"})
        return {"access_token": "access", "token_type": "Bearer", "id_token": token}

    def keys(self) -> dict[str, Any]:
        """Its public key."""
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "1", "use": "sig", "alg": "RS256"}]}

    def discovery(self) -> dict[str, Any]:
        """Where everything is."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            **self.described,
        }


@contextmanager
def identity_server() -> Iterator[Provider]:
    """The provider, answering on a port of its own."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/authorize":
                # Whoever comes is signed in there already.
                self.send_response(302)
                self.send_header("Location", provider.authorise(self.path))
                self.end_headers()
                return
            answers = {
                "/.well-known/openid-configuration": provider.discovery,
                "/keys": provider.keys,
                "/userinfo": lambda: provider.claims if provider.about is None else provider.about,
            }
            self._answer(answers[urlsplit(self.path).path]())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._answer(provider.token({name: values[0] for name, values in parse_qs(body).items()}))

        def _answer(self, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
