// RFC 6238 time-based one-time passwords (SHA-1, 6 digits, 30 seconds), as every authenticator app computes them.
import { createHmac, timingSafeEqual } from 'node:crypto';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const STEP_SECONDS = 30;
const DIGITS = 6;

/** RFC 4648 base32; spaces, padding and case do not matter, because people copy secrets by hand. */
function base32(text) {
  const symbols = text.toUpperCase().replace(/[\s=]/g, '');
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const symbol of symbols) {
    const index = ALPHABET.indexOf(symbol);
    if (index < 0) throw new Error(`not a base32 symbol: ${symbol}`);
    value = ((value << 5) | index) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >>> bits) & 0xff);
    }
  }
  return Buffer.from(bytes);
}

/** RFC 4226 5.3: the code of one counter value. */
function hotp(key, counter) {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const digest = createHmac('sha1', key).update(message).digest();
  const offset = digest[digest.length - 1] & 0xf;
  const number = digest.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 10 ** DIGITS).padStart(DIGITS, '0');
}

/**
 * Whether `code` is right now, or was or will be one step away (RFC 6238 5.2 allows for that much drift).
 * A code may be used more than once: tests log in faster than the clock ticks.
 */
export function isCurrentCode(secret, code, nowMilliseconds = Date.now()) {
  const given = Buffer.from(code.replace(/\s/g, ''));
  if (given.length !== DIGITS) return false;
  const key = base32(secret);
  const counter = Math.floor(nowMilliseconds / 1000 / STEP_SECONDS);
  return [-1, 0, 1].some((drift) => timingSafeEqual(given, Buffer.from(hotp(key, counter + drift))));
}
