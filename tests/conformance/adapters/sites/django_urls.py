"""The addresses of the Django site."""

from __future__ import annotations

from django.http import HttpResponse, JsonResponse
from django.urls import include, path

from sites import django_site


def login(request) -> HttpResponse:
    site = django_site.current
    uri = request.build_absolute_uri("/authlib/callback")
    return site.adapter.authorize_redirect(site.registration, request, uri, **site.params)


def callback(request) -> HttpResponse:
    site = django_site.current
    token = site.adapter.authorize_access_token(site.registration, request, **site.options)
    request.session["user"] = token["userinfo"]["sub"]
    return JsonResponse({"sub": token["userinfo"]["sub"]})


def me(request) -> HttpResponse:
    user = request.user.get_username() if request.user.is_authenticated else request.session.get("user")
    return JsonResponse(user, safe=False)


urlpatterns = [
    path("authlib/login", login),
    path("authlib/callback", callback),
    path("oidc/", include("mozilla_django_oidc.urls")),
    path("accounts/", include("allauth.urls")),
    path("social/", include("social_django.urls", namespace="social")),
    path("me", me),
]
