"""A relying party on Starlette, Authlib and Acrux's adapter: `python app.py`, settled by the environment.

RP_NAME                    the client's name in the policy set, and what the page is called
RP_CLIENT_ID, RP_CLIENT_SECRET, RP_ISSUER
                           its registration at the OpenID Provider
RP_ACRUX_URL, RP_ACRUX_TOKEN or RP_ACRUX_TOKEN_FILE
                           the decision service, and the token of a relying party
RP_ACRUX_CACHE             where the ceiling is kept for a start without the service (optional)
RP_HOST, RP_PORT           where to listen (127.0.0.1, 8000), or RP_FD: a listening socket that was handed over
RP_SESSION_KEY             signs the session cookie (random by default: then a restart signs everybody out)
"""
