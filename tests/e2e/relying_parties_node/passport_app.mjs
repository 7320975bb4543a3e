// A relying party on npm `passport-openidconnect`, as its documentation shows it. Settings: serving.mjs, and
//
// RP_POINTED   `mirror`: the endpoints are read from the discovery document at the start, since the library reads none;
//              `override`: they are set by hand
// RP_NONCE     `on` sends a nonce; the library's default is none
import passport from 'passport';
import OpenIDConnectStrategy from 'passport-openidconnect';

import { createApp, serve } from './serving.mjs';

const settings = process.env;

async function endpoints() {
  if (settings.RP_POINTED === 'override') {
    return { authorization_endpoint: settings.RP_AUTHORIZATION_URL, token_endpoint: settings.RP_TOKEN_URL };
  }
  return (await fetch(settings.RP_DISCOVERY_URL)).json();
}

const { authorization_endpoint: authorizationURL, token_endpoint: tokenURL } = await endpoints();

passport.use(new OpenIDConnectStrategy(
  {
    issuer: settings.RP_ISSUER,
    authorizationURL,
    tokenURL,
    clientID: settings.RP_CLIENT_ID,
    clientSecret: settings.RP_CLIENT_SECRET,
    callbackURL: '/callback',
    scope: ['profile'],
    nonce: settings.RP_NONCE === 'on',
  },
  (issuer, profile, context, idToken, accessToken, refreshToken, done) => done(null, { sub: profile.id, acr: context.class }),
));
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const app = createApp(settings);
app.use(passport.session());
app.get('/login', passport.authenticate('openidconnect'));
app.get('/callback', passport.authenticate('openidconnect', { failureRedirect: '/refused', failureMessage: true }), (req, res) => {
  res.redirect('/me');
});
app.get('/refused', (req, res) => res.status(403).type('text/plain').send(`refused: ${req.session.messages?.at(-1)}`));
app.get('/me', (req, res) => (req.user ? res.json(req.user) : res.sendStatus(401)));

serve(app, settings);
