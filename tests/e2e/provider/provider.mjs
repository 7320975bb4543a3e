// A real OpenID Provider for the end-to-end tests and the demo: npm `oidc-provider` with a password and a TOTP code.
//
//   node provider.mjs --port 0 --config provider.json
//
// Each option is also a variable: PROVIDER_HOST, PROVIDER_PORT, PROVIDER_ISSUER, PROVIDER_CONFIG (a path, or the JSON
// itself). When it listens it prints one line, {"issuer": "http://127.0.0.1:40123", "pid": 71}; SIGTERM ends it.
//
// The configuration: `clients` as in OpenID Connect Registration; `users` with `username`, `password`, base32
// `totp_secret`, `sub` (default: the user name) and `claims`; `levels`, weakest first (default: urn:example:loa:1 by
// password, urn:example:loa:2 with a code; [] is a provider that knows no acr and returns none).
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';

import { Provider, interactionPolicy } from 'oidc-provider';

import { Dialogue } from './interaction.mjs';
import { Levels, requestedAcr } from './levels.mjs';

// Standard output carries the ready line alone.
console.info = console.error;

const DEFAULT_LEVELS = [
  { acr: 'urn:example:loa:1', factors: ['pwd'] },
  { acr: 'urn:example:loa:2', factors: ['pwd', 'otp'] },
];
const SESSION_SECONDS = 8 * 3600;
const SHORT_SECONDS = 600;

function readOptions() {
  const { env } = process;
  const { values } = parseArgs({
    options: {
      host: { type: 'string', default: env.PROVIDER_HOST ?? '127.0.0.1' },
      port: { type: 'string', default: env.PROVIDER_PORT ?? '0' },
      issuer: { type: 'string', default: env.PROVIDER_ISSUER },
      config: { type: 'string', default: env.PROVIDER_CONFIG ?? '{}' },
    },
  });
  const text = existsSync(values.config) ? readFileSync(values.config, 'utf8') : values.config;
  const { clients = [], users = [], levels = DEFAULT_LEVELS } = JSON.parse(text);
  return { ...values, clients, users, levels };
}

function signingKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: randomUUID() }] };
}

/** The login prompt, asked again of a session whose level is too low, by `acr_values` as well as by essential claims. */
function policyWith(levels) {
  const policy = interactionPolicy.base();
  const { checks } = policy.get('login');
  // The built-in checks know essential requests only; this one covers both kinds, with the error that the standard names.
  checks.remove('essential_acr');
  checks.remove('essential_acrs');
  checks.add(new interactionPolicy.Check(
    'step_up',
    'none of the requested acr values could be obtained',
    'unmet_authentication_requirements',
    ({ oidc }) => Boolean(oidc.session.accountId) && !levels.isMet(requestedAcr(oidc.params), oidc.acr),
  ));
  return policy;
}

/** Consent is given for everybody: these applications belong to the company. */
async function grantAll({ oidc }) {
  const known = oidc.session.grantIdFor(oidc.client.clientId);
  const grant = (known && await oidc.provider.Grant.find(known))
    || new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope([...oidc.requestParamScopes].join(' '));
  grant.addOIDCClaims([...oidc.requestParamClaims]);
  await grant.save();
  return grant;
}

function configuration({ clients, users, levels }) {
  return {
    acrValues: levels.acrs,
    claims: {
      // All of these are in every ID token, asked for or not.
      openid: ['sub', 'acr', 'amr', 'auth_time', 'groups'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    clients,
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    features: {
      claimsParameter: { enabled: true },
      devInteractions: { enabled: false },
      pushedAuthorizationRequests: { enabled: true },
      requestObjects: { enabled: true },
    },
    findAccount: (ctx, sub) => {
      const user = [...users.values()].find((candidate) => candidate.sub === sub);
      return user && { accountId: sub, claims: () => ({ preferred_username: user.username, ...user.claims, sub }) };
    },
    // Without asking for `offline_access`: whoever is registered for refresh tokens gets them.
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    interactions: { policy: policyWith(levels), url: (ctx, interaction) => Dialogue.url(interaction.uid) },
    jwks: signingKeys(),
    loadExistingGrant: grantAll,
    ttl: {
      AccessToken: SHORT_SECONDS,
      AuthorizationCode: 60,
      Grant: SESSION_SECONDS,
      IdToken: SHORT_SECONDS,
      Interaction: SHORT_SECONDS,
      RefreshToken: SESSION_SECONDS,
      Session: SESSION_SECONDS,
    },
  };
}

function start(issuer, options) {
  const levels = new Levels(options.levels);
  const users = new Map(options.users.map((user) => [user.username, { sub: user.username, ...user }]));
  const provider = new Provider(issuer, configuration({ clients: options.clients, users, levels }));
  provider.on('server_error', (ctx, error) => console.error(error));
  const dialogue = new Dialogue({
    provider,
    users,
    levels,
    isStepUpOnly: ({ reasons }) => reasons.every((reason) => reason === 'step_up'),
  });
  const callback = provider.callback();
  return async (req, res) => {
    if (!Dialogue.owns(req)) return callback(req, res);
    try {
      return await dialogue.answer(req, res);
    } catch (error) {
      res.writeHead(error.statusCode ?? 500, { 'Content-Type': 'text/plain' });
      return res.end(`${error.error ?? 'server_error'}: ${error.error_description ?? error.message}\n`);
    }
  };
}

const options = readOptions();
const server = createServer();
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
server.listen(Number(options.port), options.host, () => {
  const issuer = options.issuer ?? `http://127.0.0.1:${server.address().port}`;
  server.on('request', start(issuer, options));
  process.stdout.write(`${JSON.stringify({ issuer, pid: process.pid })}\n`);
});
