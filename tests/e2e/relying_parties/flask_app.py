"""A relying party on Flask, Authlib and Acrux's adapter: `python flask_app.py`, settled by the environment (app.py)."""

from __future__ import annotations

import os
import secrets

from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, jsonify, redirect, request, session, url_for
from serving import HELP_DESK, acrux_client, serve

from acrux.adapters.flask import FlaskAcrux, LoginRefused
from acrux.adapters.step_up import Lacking, StepUp

app = Flask(__name__)
app.secret_key = os.environ.get("RP_SESSION_KEY") or secrets.token_urlsafe(32)
# Browsers do not tell ports apart: each application needs a cookie of its own.
app.config["SESSION_COOKIE_NAME"] = f"{os.environ['RP_NAME']}-session"
provider = OAuth(app).register(
    "provider",
    client_id=os.environ["RP_CLIENT_ID"],
    client_secret=os.environ["RP_CLIENT_SECRET"],
    server_metadata_url=f"{os.environ['RP_ISSUER']}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)
client = acrux_client()
acrux = FlaskAcrux(client, help_desk=HELP_DESK)
step_up = StepUp(help_desk=HELP_DESK, raises=LoginRefused)


@app.get("/login")
def login() -> Response:
    return acrux.authorize_redirect(provider, url_for("callback", _external=True))


@app.get("/callback")
def callback() -> Response:
    token = acrux.authorize_access_token(provider)
    # Nothing else goes: the session counts how often it was sent for more.
    session["user"] = token["userinfo"]["sub"]
    session["claims"] = {name: token["userinfo"].get(name) for name in ("acr", "auth_time")}
    return redirect("/", 303)


@app.get("/")
def front() -> str:
    return f"Signed in as {session['user']}" if "user" in session else '<a href="/login">Sign in</a>'


@app.get("/me")
def me() -> tuple[Response, int]:
    user = session.get("user")
    return jsonify(user=user), 200 if user else 401


@app.get("/secret")
def secret() -> Response | str:
    """A page that asks for more than signing in did."""
    if "claims" not in session:
        return redirect("/login")
    lacking = _lacking()
    if lacking is not None:
        return acrux.authorize_redirect(provider, url_for("callback", _external=True), **lacking.params)
    return "The secret is 42."


@app.get("/api/secret")
def api_secret() -> tuple[Response, int] | tuple[Response, int, dict[str, str]]:
    """The same for programs."""
    lacking = _lacking()
    if lacking is not None:
        return jsonify(error="step up"), 401, {"WWW-Authenticate": lacking.www_authenticate()}
    return jsonify(secret=42), 200


def _lacking() -> Lacking | None:
    decision = client.decide(ip=request.remote_addr, attributes={"sensitive": True})
    counted = None if request.path.startswith("/api/") else session
    return step_up.lacking(decision, session.get("claims", {}), counted)


@app.get("/healthz")
def healthz() -> tuple[str, int]:
    return "ok\n", 200 if client.ceiling() else 503


if __name__ == "__main__":
    serve(app)
