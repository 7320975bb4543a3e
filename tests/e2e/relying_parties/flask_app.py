"""A relying party on Flask, Authlib and Acrux's adapter: `python flask_app.py`, settled by the environment (app.py)."""

from __future__ import annotations

import os
import secrets

from authlib.integrations.flask_client import OAuth
from flask import Flask, Response, jsonify, redirect, session, url_for
from serving import HELP_DESK, acrux_client, serve

from acrux.adapters.flask import FlaskAcrux

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


@app.get("/login")
def login() -> Response:
    return acrux.authorize_redirect(provider, url_for("callback", _external=True))


@app.get("/callback")
def callback() -> Response:
    token = acrux.authorize_access_token(provider)
    session.clear()
    session["user"] = token["userinfo"]["sub"]
    return redirect("/", 303)


@app.get("/")
def front() -> str:
    return f"Signed in as {session['user']}" if "user" in session else '<a href="/login">Sign in</a>'


@app.get("/me")
def me() -> tuple[Response, int]:
    user = session.get("user")
    return jsonify(user=user), 200 if user else 401


@app.get("/healthz")
def healthz() -> tuple[str, int]:
    return "ok\n", 200 if client.ceiling() else 503


if __name__ == "__main__":
    serve(app)
