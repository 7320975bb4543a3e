// Which acr an authorization request asks for, and whether a session has it.

/** The acr part of a request, as OpenID Connect Core 5.5.1.1 reads it; `acr_values` beats the `claims` parameter. */
export function requestedAcr(params) {
  if (params.acr_values) return { values: params.acr_values.split(' ').filter(Boolean), essential: false };
  const request = (params.claims ? JSON.parse(params.claims) : {})?.id_token?.acr ?? {};
  const values = Array.isArray(request.values) ? request.values : [request.value].filter((value) => value !== undefined);
  return { values, essential: request.essential === true && values.length > 0 };
}

/** The levels that this provider knows, weakest first: `[{acr, factors: ['pwd']}, {acr, factors: ['pwd', 'otp']}]`. */
export class Levels {
  constructor(levels) {
    this.levels = levels;
    this.acrs = levels.map(({ acr }) => acr);
  }

  /**
   * The level to reach: the first known value, the lowest level if nothing known is asked for, `null` if an essential
   * request names only unknown values. A provider without levels has one that carries no acr.
   */
  target({ values, essential }) {
    const acr = values.find((value) => this.acrs.includes(value));
    if (acr !== undefined) return this.levels[this.acrs.indexOf(acr)];
    return essential ? null : this.levels[0] ?? { acr: undefined, factors: ['pwd'] };
  }

  /** A voluntary request is content with a stronger level, an essential one only with a value that it names. */
  isMet(request, sessionAcr) {
    if (request.essential) return request.values.includes(sessionAcr);
    const target = this.target(request);
    return this.acrs.indexOf(sessionAcr) >= this.acrs.indexOf(target.acr);
  }
}
