import type { Route } from '../../http/route.ts';

/**
 * A page to try queries on: a text, a button, the answer, and what the schema has. The original brought GraphiQL, which
 * is some megabytes of scripts; any GraphQL client with an explorer can be pointed at /graphql as well.
 */
export function explorerRoutes(): readonly Route[] {
  const file = (path: string, contentType: string, text: string, summary: string): Route => ({
    ...{ method: 'GET', path, access: 'read', summary },
    handle: () => ({ status: 200, text, contentType, page: true }),
  });
  return [
    file('/graphiql', 'text/html; charset=utf-8', page, 'A page to try GraphQL on'),
    file('/graphiql/explorer-js', 'text/javascript; charset=utf-8', script, 'Its script'),
    file('/graphiql/explorer-css', 'text/css; charset=utf-8', style, 'Its style'),
  ];
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GraphQL of this agent</title>
<link rel="stylesheet" href="/graphiql/explorer-css">
<script src="/graphiql/explorer-js" defer></script>
<h1>GraphQL of this agent</h1>
<main>
<form>
<label for="query">Query, or subscription</label>
<textarea id="query" rows="16" spellcheck="false">{
  status { hostname name processes fineValues numPeers }
  metrics(condition: ["Eq", "metric", "load_avg_1min"], extract: ["HistoryByNum", 5]) {
    series { key values timestamps }
  }
}</textarea>
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
  const reply = await fetch('/graphql', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(payload),
  });
  return reply.json();
}

function watch(payload) {
  const mine = socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/graphql', 'graphql-transport-ws');
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
