# frozen_string_literal: true

# A relying party on gitlab-omniauth-openid-connect, the library that GitLab logs in with, set up as GitLab's documentation
# shows it. It knows nothing of Acrux. Settings: ../relying_parties/unchanged.py.
require 'json'
require 'rack/protection'
require 'rack/session/cookie'
require 'securerandom'
require 'omniauth'
require 'omniauth_openid_connect'

SETTINGS = ENV.to_h.freeze
ENDPOINTS = JSON.parse(SETTINGS.fetch('RP_PROVIDER_METADATA')).freeze

# GitLab shows this on its own page for failed sign-ins.
OmniAuth.config.on_failure = lambda do |env|
  error = env['omniauth.error']
  [403, { 'content-type' => 'text/plain' }, ["#{env['omniauth.error.type']}: #{error.message}"]]
end
OmniAuth.config.logger = Logger.new($stderr)

use Rack::Session::Cookie, key: "#{SETTINGS.fetch('RP_CLIENT_ID')}-session", secret: SecureRandom.hex(32)
use OmniAuth::Builder do
  provider :openid_connect, {
    name: 'openid_connect',
    request_path: '/login',
    callback_path: '/callback',
    scope: %w[openid profile],
    response_type: 'code',
    issuer: SETTINGS.fetch('RP_ISSUER'),
    discovery: false,
    client_auth_method: SETTINGS.fetch('RP_AUTH_METHOD') == 'client_secret_basic' ? 'basic' : 'query',
    client_options: {
      identifier: SETTINGS.fetch('RP_CLIENT_ID'),
      secret: SETTINGS.fetch('RP_CLIENT_SECRET'),
      redirect_uri: "http://127.0.0.1:#{SETTINGS.fetch('RP_PORT')}/callback",
      authorization_endpoint: SETTINGS.fetch('RP_AUTHORIZATION_URL'),
      token_endpoint: SETTINGS.fetch('RP_TOKEN_URL'),
      userinfo_endpoint: ENDPOINTS.fetch('userinfo_endpoint'),
      jwks_uri: ENDPOINTS.fetch('jwks_uri')
    }
  }
end

# OmniAuth begins logins by POST only, with a token against forged requests.
def login_page(session)
  token = Rack::Protection::AuthenticityToken.token(session)
  "<!doctype html><title>Sign in with the company</title><form method=\"post\">" \
    "<input type=\"hidden\" name=\"authenticity_token\" value=\"#{token}\"><button>Sign in</button></form>"
end

def answer(request)
  session = request.session
  case request.path
  when '/healthz' then [200, {}, ['alive']]
  when '/login' then [200, { 'content-type' => 'text/html' }, [login_page(session)]]
  when '/callback'
    claims = request.env['omniauth.auth'].extra.raw_info
    session.clear
    session['user'] = { sub: claims['sub'], acr: claims['acr'] }
    [303, { 'location' => '/me' }, []]
  when '/me'
    user = session['user']
    [user ? 200 : 401, { 'content-type' => 'application/json' }, [user.to_json]]
  else [404, {}, []]
  end
end

run ->(env) { answer(Rack::Request.new(env)) }
