"""The Django site as a WSGI application, set up once in a process, and what a test has put in it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from sites import django_settings


@dataclass
class Site:
    """What the views of the Authlib part use."""

    adapter: Any
    registration: Any
    params: dict[str, Any]
    options: dict[str, Any]


current: Site


@cache
def application() -> Any:
    """The site with an empty database."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "sites.django_settings"
    from django.core.management import call_command  # noqa: PLC0415 - needs the settings
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - same

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what the libraries import
        made = get_wsgi_application()
        call_command("migrate", verbosity=0)
        import_module(django_settings.ROOT_URLCONF)
    return made


def forget_everybody() -> None:
    """Empties what logins leave behind."""
    from django.contrib.auth.models import User  # noqa: PLC0415 - needs the settings
    from django.contrib.sessions.models import Session  # noqa: PLC0415 - same
    from django.core.cache import cache as kept  # noqa: PLC0415 - same
    from social_core.backends.open_id_connect import OpenIdConnectAuth  # noqa: PLC0415 - same

    User.objects.all().delete()
    Session.objects.all().delete()
    kept.clear()
    OpenIdConnectAuth.get_openid_configuration.invalidate()
    OpenIdConnectAuth.get_jwks_keys_for_uri.invalidate()


def put(
    client: Any, registration: dict[str, Any], params: dict[str, Any], options: dict[str, Any], **settings: Any
) -> None:
    """What the Authlib part uses from now on."""
    from authlib.integrations.django_client import OAuth  # noqa: PLC0415 - needs the settings

    from acrux.adapters.django import DjangoAcrux  # noqa: PLC0415 - same

    global current  # noqa: PLW0603 - the views are functions of their module
    oauth = OAuth(cache=registration.pop("cache", None))
    oauth.register("jira", **registration)
    current = Site(DjangoAcrux(client, **settings), oauth.jira, params, options)
