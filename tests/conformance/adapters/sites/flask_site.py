"""A Flask application that logs in with Authlib and the adapter."""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, session, url_for

from acrux.adapters.flask import FlaskAcrux


def make_site(
    client: Any, registration: dict[str, Any], params: dict[str, Any], options: dict[str, Any], **settings: Any
):
    app = Flask("jira")
    app.secret_key = "k"
    app.testing = True
    oauth = OAuth(app, cache=registration.pop("cache", None))
    oauth.register("jira", **registration)
    acrux = FlaskAcrux(client, **settings)

    @app.get("/login")
    def login():
        return acrux.authorize_redirect(oauth.jira, url_for("callback", _external=True), **params)

    @app.route("/callback", methods=["GET", "POST"])
    def callback():
        token = acrux.authorize_access_token(oauth.jira, **options)
        session["user"] = token["userinfo"]["sub"]
        return jsonify(sub=session["user"])

    @app.get("/me")
    def me():
        return jsonify(session.get("user"))

    return app
