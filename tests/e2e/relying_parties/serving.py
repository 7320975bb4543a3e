"""What the relying parties on blocking frameworks share: settings from the environment (see app.py), and a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from werkzeug.serving import make_server

from acrux.client import AcruxClient

HELP_DESK = "Call the help desk at extension 4242."


def acrux_client() -> AcruxClient:
    """How this relying party asks Acrux."""
    token = os.environ.get("RP_ACRUX_TOKEN") or Path(os.environ["RP_ACRUX_TOKEN_FILE"]).read_text().strip()
    client = AcruxClient(
        os.environ["RP_ACRUX_URL"],
        token,
        client=os.environ["RP_NAME"],
        cache_path=os.environ.get("RP_ACRUX_CACHE"),
        timeout_seconds=float(os.environ.get("RP_ACRUX_TIMEOUT_SECONDS", "0.3")),
        refresh_interval_seconds=float(os.environ.get("RP_ACRUX_REFRESH_SECONDS", "60")),
    )
    # Otherwise the ceiling is fetched at the first login only, and an outage before that refuses everybody.
    client.start()
    return client


def serve(app: Any) -> None:
    """Serves a WSGI application until SIGTERM."""
    handed_over = int(os.environ["RP_FD"]) if "RP_FD" in os.environ else None
    host, port = os.environ.get("RP_HOST", "127.0.0.1"), int(os.environ.get("RP_PORT", "8000"))
    make_server(host, port, app, threaded=True, fd=handed_over).serve_forever()
