// Links in messages. An address becomes a link only if it looks like its target: without a user name before the host, without
// letters that look like others, and in the browser's own spelling.
import { make } from './dom.js';

const CANDIDATE = /https?:\/\/[\x21-\x7e]+/gi;
const AROUND = /[.,;:!?'")\]}>]+$/;

/** The target of an address; null if it does not look like its target. */
export function target(text) {
  let url;
  try { url = new URL(text); } catch { return null; }
  const host = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1].toLowerCase();
  const isPlain = url.host === host || `${url.host}:${url.protocol === 'https:' ? 443 : 80}` === host;
  const isName = /^([a-z0-9-]+\.)*[a-z0-9-]+$|^\[[0-9a-f:.]+\]$/.test(url.hostname) && !url.hostname.includes('xn--');
  return !url.username && !url.password && isPlain && isName && !text.includes('\\') ? url.href : null;
}

/** Appends a text, with links for the addresses that look like their targets. */
export function append(parent, text) {
  let from = 0;
  for (const found of text.matchAll(CANDIDATE)) {
    const shown = found[0].replace(AROUND, '');
    const before = text[found.index - 1];
    // A character right after the address that is not part of it could disguise its target.
    const after = text[found.index + shown.length];
    const isApart = (beside) => beside === undefined || /[\s\x21-\x7e]/.test(beside);
    const href = isApart(before) && isApart(after) ? target(shown) : null;
    if (!href) continue;
    const link = make('a', shown);
    link.href = href;
    link.target = '_blank';
    link.rel = 'noopener noreferrer nofollow';
    parent.append(text.slice(from, found.index), link);
    from = found.index + shown.length;
  }
  parent.append(text.slice(from));
}
