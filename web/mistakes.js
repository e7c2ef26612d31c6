// The classic mistakes of a first client: what a button sends here, and, in Python's notation, what a TCP program does and sees
// with the same bytes. A test runs each of them over TCP and compares.
import texts from './texts.js';

export default [
  {
    id: 'newline', name: texts.newline, what: texts.newlineWhat, hint: null, sends: ['5 10'],
    calls: ["send(b'5 10')", "recv() == b'Data received'", "recv() == b'50.0'"],
  },
  {
    id: 'one-recv', name: texts.oneRecv, what: texts.oneRecvWhat, hint: texts.oneRecvHint, sends: ['5 10'], reads: 1,
    calls: ["send(b'5 10')", "recv() == b'Data received'", 'close()'],
  },
  {
    id: 'comma', name: texts.comma, what: texts.commaWhat, hint: texts.commaHint, sends: ['5,10'],
    calls: ["send(b'5,10\\n')", "recv() == b'Data received\\nError: expected two numbers, for example: 5 10\\n'"],
  },
  {
    id: 'two-sends', name: texts.twoSends, what: texts.twoSendsWhat, hint: texts.twoSendsHint, sends: ['5', '10'],
    calls: ["send(b'5')", "send(b'10')", "recv() == b'Data received'", "recv() == b'Error: expected two numbers, for example: 5 10'"],
  },
  {
    id: 'c-string', name: texts.cString, what: texts.cStringWhat, hint: texts.cStringHint, sends: ['5 10\0'],
    calls: ["send(b'5 10\\x00')", "recv() == b'Data received\\x00'", "recv() == b'50.0\\x00'"],
  },
];
