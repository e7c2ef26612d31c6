/** Escapes control and format characters, so that text from others cannot move or hide what is beside it. */
export function visible(text) {
  const escape = (c) => ({ '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' }[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escape);
}
