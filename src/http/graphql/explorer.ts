import type { Route } from '../route.ts';

export interface ExplorerOptions {
  /** Of the page; its script and style are below it. */
  readonly path: string;
  /** Where GraphQL is answered. */
  readonly endpoint: string;
  /** What stands there at first. */
  readonly query: string;
}

/**
 * A page to try queries on: a text, a button, the answer, and what the schema has. The original brought GraphiQL, which
 * is some megabytes of scripts; any GraphQL client with an explorer can be pointed at the endpoint as well.
 */
export function explorerRoutes({ path, endpoint, query }: ExplorerOptions): readonly Route[] {
  const file = (own: string, contentType: string, text: string, summary: string): Route => ({
    ...{ method: 'GET', path: own, access: 'read', summary },
    handle: () => ({ status: 200, text, contentType, page: true }),
  });
  const page = pageText.replaceAll('{path}', path).replace('{query}', () => escaped(query));
  return [
    file(path, 'text/html; charset=utf-8', page, `A page to try GraphQL on: ${endpoint}`),
    file(
      `${path}/explorer-js`,
      'text/javascript; charset=utf-8',
      script.replaceAll('{endpoint}', endpoint),
      'Its script',
    ),
    file(`${path}/explorer-css`, 'text/css; charset=utf-8', style, 'Its style'),
  ];
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

const pageText = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphQL of this agent</title>
<link rel="stylesheet" href="{path}/explorer-css">
<script src="{path}/explorer-js" defer></script>
<h1>GraphQL of this agent</h1>
<main>
<form>
<label for="query">Query, or subscription</label>
<textarea id="query" rows="16" spellcheck="false">{query}</textarea>
<label for="variables">Variables (JSON)</label>
<textarea id="variables" rows="3" spellcheck="false">{}</textarea>
<p><button type="submit">Run (Ctrl+Enter)</button> <button type="button" id="stop" disabled>Stop</button></p>
</form>
<section aria-live="polite"><h2>Answer</h2><pre id="answer" tabindex="0"></pre></section>
<section><h2>What there is</h2><div id="schema"></div></section>
</main>
</html>
`;

const style = `
body { font: 15px/1.45 system-ui, sans-serif; margin: 1rem auto; max-width: 80rem; padding: 0 1rem; color-scheme: light dark; }
main { display: grid; gap: 1rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
textarea { box-sizing: border-box; font: 13px/1.4 ui-monospace, monospace; width: 100%; }
label { display: block; margin-top: .5rem; }
pre { border: 1px solid; max-height: 32rem; min-height: 16rem; overflow: auto; padding: .5rem; }
h2 { font-size: 1.1rem; margin: 0; }
dt { font-weight: 600; margin-top: .5rem; }
dd { font: 13px/1.4 ui-monospace, monospace; margin: 0 0 0 1rem; }
`;

const script = `
'use strict';
const find = (id) => document.getElementById(id);
const answer = find('answer');
const show = (value) => { answer.textContent = typeof value === 'string' ? value : JSON.stringify(value, null, 2); };
const form = document.querySelector('form');
let socket = null;
const stop = () => { if (socket !== null) socket.close(); socket = null; find('stop').disabled = true; };
find('stop').addEventListener('click', stop);

async function ask(payload) {
  const reply = await fetch('{endpoint}', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(payload),
  });
  return reply.json();
}

function watch(payload) {
  const mine = socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '{endpoint}', 'graphql-transport-ws');
  find('stop').disabled = false;
  mine.onopen = () => mine.send(JSON.stringify({ type: 'connection_init' }));
  mine.onclose = ({ code, reason }) => { if (socket === mine) { stop(); show('closed: ' + code + ' ' + reason); } };
  mine.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === 'connection_ack') mine.send(JSON.stringify({ type: 'subscribe', id: '1', payload }));
    else if (message.type === 'next') show(message.payload);
    else if (message.type === 'error') { stop(); show({ errors: message.payload }); }
  };
}

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  stop();
  try {
    const payload = { query: find('query').value, variables: JSON.parse(find('variables').value || '{}') };
    if (/^\\s*subscription\\b/m.test(payload.query)) watch(payload);
    else show(await ask(payload));
  } catch (error) { show(String(error)); }
});
form.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

const typeText = (type) => type.kind === 'NON_NULL' ? typeText(type.ofType) + '!'
  : type.kind === 'LIST' ? '[' + typeText(type.ofType) + ']' : type.name;
const ofType = 'type { ...T ofType { ...T ofType { ...T ofType { ...T } } } }';
ask({ query: '{ __schema { types { name kind fields { name description args { name ' + ofType + ' } ' + ofType +
  ' } } } } fragment T on __Type { name kind }' }).then(({ data }) => {
  const list = document.createElement('dl');
  for (const type of data.__schema.types) {
    if (type.kind !== 'OBJECT' || type.name.startsWith('__')) continue;
    const term = document.createElement('dt');
    term.textContent = type.name;
    list.append(term);
    for (const field of type.fields) {
      const line = document.createElement('dd');
      const args = field.args.map((each) => each.name + ': ' + typeText(each.type)).join(', ');
      line.textContent = field.name + (args === '' ? '' : '(' + args + ')') + ': ' + typeText(field.type);
      if (field.description) line.title = field.description;
      list.append(line);
    }
  }
  find('schema').append(list);
}).catch((error) => { find('schema').textContent = String(error); });
`;
