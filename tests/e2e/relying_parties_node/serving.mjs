// What the relying parties on Node.js share: a session, who is signed in, and a server. None of it knows of Acrux.
//
// RP_CLIENT_ID, RP_CLIENT_SECRET   the registration at the OpenID Provider
// RP_ISSUER                        the OpenID Provider
// RP_DISCOVERY_URL                 the discovery document that the application is pointed at
// RP_AUTHORIZATION_URL, RP_TOKEN_URL  the endpoints that it is pointed at
// RP_AUTH_METHOD                   `client_secret_basic` or `client_secret_post`
// RP_FD                            a listening socket that was handed over
import { randomBytes } from 'node:crypto';

import express from 'express';
import session from 'express-session';

/** An application with a session and the pages of all of them; `healthz` answers as soon as it serves. */
export function createApp(settings) {
  const app = express();
  app.use(session({
    // Browsers do not tell ports apart: each application needs a cookie of its own.
    name: `${settings.RP_CLIENT_ID}-session`,
    secret: randomBytes(32).toString('base64url'),
    resave: false,
    saveUninitialized: false,
  }));
  app.get('/healthz', (req, res) => res.send('alive'));
  return app;
}

/** Ends the routes with what a refused login shows, and serves until SIGTERM. */
export function serve(app, settings) {
  app.use((error, req, res, next) => {
    if (res.headersSent) return next(error);
    const { code, error: name = code ?? error.name, error_description: description = error.message } = error;
    return res.status(403).type('text/plain').send(`${name}: ${description}`);
  });
  const server = app.listen({ fd: Number(settings.RP_FD) });
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0));
    server.closeAllConnections();
  });
}
