// The progress of each address or user, as `ipcctl class` has it: those in trouble first, the newest on top.

/** What a client is in trouble with: a hint, or an error that came later without one. */
export function trouble({ hint, error }) {
  const open = [hint, error].filter((one) => one?.is_open);
  if (open.length === 2) return error.age < hint.age ? error : hint;
  return open[0];
}

export function sorted(clients) {
  const age = (client) => trouble(client)?.age ?? Infinity;
  return [...clients].sort((a, b) => (age(a) === age(b) ? 0 : age(a) - age(b)));
}

/** Seconds, in one unit. */
export function ago(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min` : `${Math.floor(whole / 3600)} h`;
}
