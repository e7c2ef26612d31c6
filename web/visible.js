/** What a program shows of characters that are no letters: nothing that comes from others moves or hides what stands beside it. */
export function visible(text) {
  const escape = (c) => ({ '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' }[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escape);
}
