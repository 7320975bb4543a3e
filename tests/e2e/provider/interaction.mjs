// The dialogue with the person: password, then, only where the level asked for has it, the one-time code.
import { codePage, passwordPage } from './pages.mjs';
import { requestedAcr } from './levels.mjs';
import { isCurrentCode } from './totp.mjs';

const PATH = '/interaction/';
const MAX_BODY_BYTES = 16 * 1024;
const MAX_WRONG_CODES = 3;

const unmet = (description) => ({ error: 'unmet_authentication_requirements', error_description: description });

async function readForm(req) {
  const chunks = [];
  let length = 0;
  for await (const chunk of req) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new Error('form too large');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function show(res, html, status = 200) {
  res.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'Referrer-Policy': 'no-referrer',
  });
  res.end(html);
}

export class Dialogue {
  /** `users` by name; `isStepUpOnly` tells a prompt that needs the code alone from one that takes the password first. */
  constructor({ provider, users, levels, isStepUpOnly }) {
    Object.assign(this, { provider, users, levels, isStepUpOnly });
    // What has been shown within one interaction, by its uid. In memory, as everything here is.
    this.steps = new Map();
  }

  static url(uid) {
    return PATH + uid;
  }

  static owns(req) {
    return req.url.startsWith(PATH);
  }

  async answer(req, res) {
    const interaction = await this.provider.interactionDetails(req, res);
    if (interaction.prompt.name === 'consent') return this.finish(req, res, interaction, { consent: {} });
    const target = this.levels.target(requestedAcr(interaction.params));
    if (target === null) return this.finish(req, res, interaction, unmet('no requested acr is known here'));
    const step = this.step(interaction);
    const form = req.method === 'POST' ? await readForm(req) : new URLSearchParams();
    if (form.has('cancel')) return this.cancel(req, res, interaction, step);
    if (step.user === undefined) return this.password(req, res, { interaction, step, target, form });
    return this.code(req, res, { interaction, step, target, form });
  }

  /** Where this interaction stands. A session that only lacks the second factor has its user already. */
  step(interaction) {
    let step = this.steps.get(interaction.uid);
    if (step === undefined) {
      const known = [...this.users.values()].find(({ sub }) => sub === interaction.session?.accountId);
      step = { user: this.isStepUpOnly(interaction.prompt) ? known : undefined, known, wrongCodes: 0 };
      this.steps.set(interaction.uid, step);
    }
    return step;
  }

  async password(req, res, { interaction, step, target, form }) {
    const clientId = interaction.params.client_id;
    if (form.get('step') !== 'password') {
      return show(res, passwordPage({ clientId, username: step.known?.username ?? interaction.params.login_hint }));
    }
    const username = form.get('username') ?? '';
    const user = this.users.get(username);
    if (user === undefined || user.password !== form.get('password')) {
      return show(res, passwordPage({ clientId, username, error: 'The user name or the password is wrong.' }), 401);
    }
    step.user = user;
    return this.code(req, res, { interaction, step, target, form });
  }

  async code(req, res, { interaction, step, target, form }) {
    const clientId = interaction.params.client_id;
    const { user } = step;
    if (!target.factors.includes('otp')) return this.login(req, res, interaction, user, target);
    if (!user.totp_secret) return this.finish(req, res, interaction, unmet('the user has no second factor'));
    if (form.get('step') !== 'code') return show(res, codePage({ clientId, username: user.username }));
    if (isCurrentCode(user.totp_secret, form.get('code') ?? '')) return this.login(req, res, interaction, user, target);
    step.wrongCodes += 1;
    if (step.wrongCodes >= MAX_WRONG_CODES) return this.finish(req, res, interaction, unmet('too many wrong codes'));
    return show(res, codePage({ clientId, username: user.username, error: 'That code is wrong. Try the next one.' }), 401);
  }

  cancel(req, res, interaction, step) {
    const refusal = step.user === undefined
      ? { error: 'access_denied', error_description: 'the user cancelled' }
      : unmet('the user cancelled the second factor');
    return this.finish(req, res, interaction, refusal);
  }

  login(req, res, interaction, user, { acr, factors }) {
    // RFC 8176: `mfa` says that more than one factor was used, beside the names of the factors.
    const amr = factors.length > 1 ? [...factors, 'mfa'] : factors;
    return this.finish(req, res, interaction, { login: { accountId: user.sub, acr, amr, remember: true } });
  }

  finish(req, res, interaction, result) {
    this.steps.delete(interaction.uid);
    return this.provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
  }
}
