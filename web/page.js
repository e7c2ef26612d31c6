// The views: the fragment of the address names one. Its code is loaded when it is shown for the first time.
import { at, translate } from './dom.js';
import { known, learn } from './token.js';
import texts from './texts.js';

const VIEWS = {
  chat: () => import('./chat.js'),
  multiply: () => import('./wire.js'),
  machines: () => import('./machines.js'),
  join: () => import('./join.js'),
  teacher: () => import('./teacher.js'),
};
const TITLES = { chat: texts.chat, multiply: texts.multiply, machines: texts.machines, join: texts.joining, teacher: texts.teacher };
let shown = null;

async function show(isFirst) {
  const [wanted, token] = location.hash.slice(1).split('=');
  const name = Object.hasOwn(VIEWS, wanted) ? wanted : 'chat';
  // Removes the token from the address and the browser's history; a reload of this tab still has it.
  if (token ?? history.state?.token) learn(token ?? history.state.token);
  if (known()) history.replaceState({ token: known() }, '', `#${name}`);
  shown?.leave?.();
  for (const view of document.querySelectorAll('.view')) view.hidden = view.id !== `view-${name}`;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  const unread = /^\(\d+\) /.exec(document.title)?.[0] ?? ''; // which the room counts
  document.title = `${unread}${TITLES[name]} · ipcd`;
  const module = shown = await VIEWS[name]();
  if (module !== shown) return;
  module.enter?.();
  if (!isFirst && name !== 'chat') at(`title-${name}`).focus();
}

translate();
addEventListener('hashchange', () => show(false));
show(true);
