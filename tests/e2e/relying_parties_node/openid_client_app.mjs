// A relying party on npm `openid-client` 6, as its documentation shows it. Settings: serving.mjs, and
//
// RP_POINTED   how it finds its endpoints: `mirror` (the whole address of a discovery document), `override` (the
//              provider's own document, two endpoints replaced), or `bare` (an issuer alone, RP_ISSUER)
import * as client from 'openid-client';

import { createApp, serve } from './serving.mjs';

const settings = process.env;
const authentication = { client_secret_basic: client.ClientSecretBasic, client_secret_post: client.ClientSecretPost };
// Everything here is http on loopback.
const insecure = { execute: [client.allowInsecureRequests] };

function discover(address) {
  const { RP_CLIENT_ID: id, RP_CLIENT_SECRET: secret, RP_AUTH_METHOD: method } = settings;
  return client.discovery(new URL(address), id, secret, authentication[method](secret), insecure);
}

async function configuration() {
  if (settings.RP_POINTED === 'mirror') return discover(settings.RP_DISCOVERY_URL);
  const discovered = await discover(settings.RP_ISSUER);
  if (settings.RP_POINTED === 'bare') return discovered;
  const { RP_CLIENT_ID: id, RP_CLIENT_SECRET: secret, RP_AUTH_METHOD: method } = settings;
  const metadata = {
    ...discovered.serverMetadata(),
    authorization_endpoint: settings.RP_AUTHORIZATION_URL,
    token_endpoint: settings.RP_TOKEN_URL,
  };
  const overridden = new client.Configuration(metadata, id, secret, authentication[method](secret));
  client.allowInsecureRequests(overridden);
  return overridden;
}

const config = await configuration();
const app = createApp(settings);

app.get('/login', async (req, res) => {
  const codeVerifier = client.randomPKCECodeVerifier();
  const login = { codeVerifier, nonce: client.randomNonce(), state: client.randomState() };
  req.session.login = login;
  const address = client.buildAuthorizationUrl(config, {
    redirect_uri: `http://${req.headers.host}/callback`,
    scope: 'openid profile',
    code_challenge: await client.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    nonce: login.nonce,
    state: login.state,
  });
  res.redirect(address.href);
});

app.get('/callback', async (req, res) => {
  const { codeVerifier, nonce, state } = req.session.login ?? {};
  const tokens = await client.authorizationCodeGrant(config, new URL(req.url, `http://${req.headers.host}`), {
    pkceCodeVerifier: codeVerifier,
    expectedNonce: nonce,
    expectedState: state,
    idTokenExpected: true,
  });
  const { sub, acr, amr, auth_time } = tokens.claims();
  req.session.user = { sub, acr, amr, auth_time };
  req.session.refreshToken = tokens.refresh_token;
  res.redirect('/me');
});

app.get('/refresh', async (req, res) => {
  const tokens = await client.refreshTokenGrant(config, req.session.refreshToken);
  req.session.refreshToken = tokens.refresh_token ?? req.session.refreshToken;
  res.json(Object.keys(tokens));
});

app.get('/me', (req, res) => (req.session.user ? res.json(req.session.user) : res.sendStatus(401)));

serve(app, settings);
