"""allauth's own addresses of its OpenID Connect provider, by the same names, at the judging views."""

from allauth.account.internal.decorators import login_not_required
from allauth.socialaccount import app_settings
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.views import OAuth2LoginView
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path

from acrux.adapters.allauth.judging import AcruxCallbackView, AcruxOpenIDConnectOAuth2Adapter


@login_not_required  # type: ignore[untyped-decorator,unused-ignore]
def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Begins a login."""
    return _answer(OAuth2LoginView, request, provider_id)


@login_not_required  # type: ignore[untyped-decorator,unused-ignore]
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Ends a login."""
    return _answer(AcruxCallbackView, request, provider_id)


def _answer(view: type, request: HttpRequest, provider_id: str) -> HttpResponse:
    adapter = AcruxOpenIDConnectOAuth2Adapter(request, provider_id)
    try:
        response: HttpResponse = view.adapter_view(adapter)(request)  # type: ignore[attr-defined]
    except SocialApp.DoesNotExist:
        raise Http404 from None
    return response


urlpatterns = [
    re_path(
        r"^(?P<provider_id>[^/]+)/",
        include(
            [
                path("login/", login, name="openid_connect_login"),
                path("login/callback/", callback, name="openid_connect_callback"),
            ]
        ),
    )
]
if app_settings.OPENID_CONNECT_URL_PREFIX:
    urlpatterns = [path(f"{app_settings.OPENID_CONNECT_URL_PREFIX}/", include(urlpatterns))]
