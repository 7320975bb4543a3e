"""Acrux for Django applications that log in with django-allauth's OpenID Connect provider. It decides nothing.

SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "provider_class": "acrux.adapters.allauth.provider.AcruxOpenIDConnectProvider",
        "APPS": [...],
    },
}
ACRUX = {"client": AcruxClient("https://acrux.example.com", token, client="wiki")}

The library loads `provider` and its `urls` itself, when Django's applications are ready; so nothing is imported here.
"""

from acrux.adapters.extras import missing_extra

try:
    import allauth  # noqa: F401 - only whether it is there
    import django  # noqa: F401 - same
    import jwt  # noqa: F401 - same
    import requests  # noqa: F401 - same
except ModuleNotFoundError as missing:
    raise missing_extra("allauth", missing) from missing
