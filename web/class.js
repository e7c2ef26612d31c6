// The progress of each address or user, as in `ipcctl class`: those in trouble first, the newest on top.

/** A client's problem: a hint, or a later error without one. */
export function trouble({ hint, error }) {
  const open = [hint, error].filter((one) => one?.is_open === true);
  if (open.length === 2) return (error.age ?? Number.MAX_VALUE) < (hint.age ?? Number.MAX_VALUE) ? error : hint;
  return open[0];
}

export function sorted(clients) {
  const rank = (client) => {
    const why = trouble(client);
    return why ? why.age ?? Number.MAX_VALUE : Infinity;
  };
  return [...clients].sort((a, b) => (rank(a) === rank(b) ? 0 : rank(a) - rank(b)));
}

/** Seconds, in one unit. */
export function ago(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min` : `${Math.floor(whole / 3600)} h`;
}
