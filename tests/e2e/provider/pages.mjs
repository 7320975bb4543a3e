// The two pages that a person sees: plain forms with labels, no script, nothing loaded from elsewhere.

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);

const STYLE = `
  :root { color-scheme: light; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #eef1f5; color: #1b2430; }
  main { width: 20rem; padding: 2rem; background: #fff; border-radius: .75rem; box-shadow: 0 1px 4px #0003; }
  h1 { margin: 0 0 .25rem; font-size: 1.35rem; }
  p { margin: 0 0 1rem; color: #4a5666; }
  p[role=alert] { padding: .5rem .75rem; border-radius: .4rem; background: #fdeaea; color: #8f1d1d; }
  label { display: block; margin: .75rem 0 .25rem; font-weight: 600; }
  input { box-sizing: border-box; width: 100%; padding: .55rem .7rem; font: inherit; border: 1px solid #93a0b0; border-radius: .4rem; }
  button { margin: 1.25rem .5rem 0 0; padding: .55rem 1.1rem; font: inherit; border: 0; border-radius: .4rem; background: #1f5fbf; color: #fff; cursor: pointer; }
  button[name=cancel] { background: none; color: #1f5fbf; }
`;

function page(title, lead, error, fields) {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escape(title)}</title><style>${STYLE}</style></head>
<body><main>
<h1>${escape(title)}</h1>
<p>${escape(lead)}</p>
${error ? `<p role="alert">${escape(error)}</p>` : ''}
<form method="post" autocomplete="off">
${fields}
<button type="submit">Continue</button><button type="submit" name="cancel" value="yes" formnovalidate>Cancel</button>
</form>
</main></body>
</html>
`;
}

export function passwordPage({ clientId, username, error }) {
  return page('Sign in', `to continue to ${clientId}`, error, `
<input type="hidden" name="step" value="password">
<label for="username">User name</label>
<input id="username" name="username" value="${escape(username ?? '')}" autocapitalize="none" required>
<label for="password">Password</label>
<input id="password" name="password" type="password" required>`);
}

export function codePage({ clientId, username, error }) {
  return page('Second factor', `${username}, enter the code from your authenticator app to continue to ${clientId}`, error, `
<input type="hidden" name="step" value="code">
<label for="code">6-digit code</label>
<input id="code" name="code" inputmode="numeric" maxlength="7" autofocus required>`);
}
