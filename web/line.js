// The kind of a line from the room, and its parts.
const JOINED = ' has joined the chat!', LEFT = ' has left the chat.', WHO = 'In the room: ';

// A member's message has a colon after the name, and an action begins with a star. The room's own lines have neither.
const isRooms = (text) => !text.includes(': ') && !text.startsWith('* ');

export function read(text, own) {
  if (text.startsWith('Error: ')) return { kind: 'error', text };
  if (isRooms(text) && text.endsWith(JOINED)) return { kind: 'note', text, joined: text.slice(0, -JOINED.length) };
  if (isRooms(text) && text.endsWith(LEFT)) return { kind: 'note', text, left: text.slice(0, -LEFT.length) };
  if (text.startsWith(WHO)) return { kind: 'note', text, who: names(text.slice(WHO.length)) };
  if (text.startsWith('* ')) return { kind: 'action', text, own: text.startsWith(`* ${own} `) };
  const whisper = /^(you \(to .+?\)|.+? \(to you\)): /.exec(text);
  if (whisper) return { kind: 'whisper', name: whisper[1], text: text.slice(whisper[0].length) };
  // No name has a colon in it.
  const colon = text.indexOf(': ');
  if (colon > 0) return { kind: 'said', name: text.slice(0, colon), text: text.slice(colon + 2), own: text.slice(0, colon) === own };
  return { kind: 'note', text };
}

// `alice, bob (2)`; a long list ends with `… (300)`.
function names(list) {
  const end = list.lastIndexOf(' (');
  return (end < 0 ? list : list.slice(0, end)).split(', ').filter((name) => name && name !== '…');
}

export function welcomed(text) {
  return /^Welcome (.+)! If you ever want to quit, /.exec(text)?.[1];
}
