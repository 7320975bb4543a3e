"""One Django site with every library that has an adapter; what a test changes, it overrides."""

ISSUER = "https://login.example.com"
SECRET_KEY = "k"
DEBUG = False
DEBUG_PROPAGATE_EXCEPTIONS = True  # what a view raises by mistake reaches the test
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "sites.django_urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SECURE_PROXY_SSL_HEADER = None
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "mozilla_django_oidc",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "social_django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "acrux.adapters.django.LoginAnswersMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LOGIN_REDIRECT_URL = "/me"
LOGIN_REDIRECT_URL_FAILURE = "/me"

OIDC_RP_CLIENT_ID = "jira-sso"
OIDC_RP_CLIENT_SECRET = "s3cret"
OIDC_RP_SIGN_ALGO = "ES256"
OIDC_RP_SCOPES = "openid profile"
OIDC_OP_AUTHORIZATION_ENDPOINT = f"{ISSUER}/authorize"
OIDC_OP_TOKEN_ENDPOINT = f"{ISSUER}/token"
OIDC_OP_USER_ENDPOINT = f"{ISSUER}/userinfo"
OIDC_OP_JWKS_ENDPOINT = f"{ISSUER}/jwks"
OIDC_USE_PKCE = True
OIDC_AUTHENTICATE_CLASS = "acrux.adapters.mozilla_django_oidc.AcruxAuthenticationRequestView"
OIDC_CALLBACK_CLASS = "acrux.adapters.mozilla_django_oidc.AcruxAuthenticationCallbackView"

SOCIALACCOUNT_LOGIN_ON_GET = True
ACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "provider_class": "acrux.adapters.allauth.provider.AcruxOpenIDConnectProvider",
        "OAUTH_PKCE_ENABLED": True,
        "SCOPE": ["openid", "profile"],
        "APPS": [
            {
                "provider_id": "corp",
                "name": "Corp",
                "client_id": "jira-sso",
                "secret": "s3cret",
                "settings": {"server_url": ISSUER},
            }
        ],
    }
}

SOCIAL_AUTH_OIDC_OIDC_ENDPOINT = ISSUER
SOCIAL_AUTH_OIDC_KEY = "jira-sso"
SOCIAL_AUTH_OIDC_SECRET = "s3cret"
SOCIAL_AUTH_OIDC_SCOPE = ["openid", "profile"]
SOCIAL_AUTH_OIDC_IGNORE_DEFAULT_SCOPE = True
SOCIAL_AUTH_OIDC_USE_PKCE = True
SOCIAL_AUTH_OIDC_JWT_ALGORITHMS = ["ES256"]
SOCIAL_AUTH_LOGIN_ERROR_URL = "/me"
