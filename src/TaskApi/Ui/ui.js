'use strict';
// The text of agents is only inserted as text nodes, never as HTML.
const samples = [
  { name: 'seed the database', body: { type: 'seed-db', params: { reset: true } } },
  { name: 'import the sample workbook', body: { type: 'task-context', command: 'import-excel', params: { file_path: 'attributes.xlsx', main_tab: 'MB Attributes' } } },
  { name: 'run the agent', body: { type: 'agent', command: 'run', params: { input: 'Which units are used, and which attributes weigh most?', parallel_workers: 3 } } },
];
const mostLines = 5000;
const $ = id => document.getElementById(id);
let socket = null, watched = null, cursor = null, ended = false, listing = null, open = {};

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

async function call(method, path, body) {
  const answer = await fetch(path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body && JSON.stringify(body) });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.detail ?? answer.statusText);
  return content;
}

async function attempt(action) {
  $('message').textContent = '';
  try { await action(); } catch (error) { $('message').textContent = error.message; }
}

async function list() {
  const { tasks } = await call('GET', '/tasks?limit=100');
  $('tasks').replaceChildren(...tasks.map(task => {
    const row = document.createElement('tr');
    row.dataset.task = task.task_id;
    row.classList.toggle('watched', task.task_id === watched);
    const name = element('td', '');
    name.append(element('button', task.command ? `${task.type} ${task.command}` : task.type), element('small', task.task_id));
    const status = element('td', '');
    status.append(element('span', task.status, 'status ' + task.status));
    row.append(name, element('td', task.project), status, element('td', task.lines));
    row.onclick = () => watch(task.task_id, `/tasks/${task.task_id}/watch`);
    return row;
  }));
}

// One list request at a time, and another one if something happened meanwhile.
function refresh() {
  if (listing) { listing.again = true; return; }
  const mine = listing = { again: false };
  attempt(list).finally(() => setTimeout(() => { listing = null; if (mine.again) refresh(); }, 300));
}

// Receives the state events of all tasks. SignalR's JSON protocol is simple enough to do without its library.
function follow() {
  const hub = new WebSocket(`${location.origin.replace('http', 'ws')}/hubs/tasks`);
  const send = message => hub.send(JSON.stringify(message) + '\x1e');
  hub.onopen = () => {
    send({ protocol: 'json', version: 1 });
    send({ type: 1, target: 'Subscribe', arguments: ['all'] });
    refresh();
  };
  const ping = setInterval(() => hub.readyState === WebSocket.OPEN && send({ type: 6 }), 10000);
  hub.onmessage = message => { if (message.data.split('\x1e').some(part => part.includes('"type":1'))) refresh(); };
  hub.onclose = () => { clearInterval(ping); setTimeout(follow, 1000); };
}

function show(nodes) {
  const output = $('output');
  const atEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40;
  output.append(...nodes);
  while (output.childElementCount > mostLines) output.firstElementChild.remove();
  if (atEnd) output.scrollTop = output.scrollHeight;
}

// Long lines and prompts arrive in parts; each part is shown at once. Text after a carriage return replaces the row, as on a terminal.
function line({ stream, text, part, last }) {
  const row = part > 1 && open[stream] || { node: element('div', '', stream), isBack: false };
  const shown = text.replace(/\r+$/, '');
  const back = shown.lastIndexOf('\r');
  if (shown && (row.isBack || back >= 0)) row.node.textContent = '';
  row.node.append(shown.slice(back + 1));
  row.isBack = shown !== text || (row.isBack && !shown);
  open[stream] = last === false && row;
  return row.node;
}

function status(word) {
  $('status').textContent = word;
  $('status').className = 'status ' + word;
  $('stop').hidden = ended;
}

function watch(taskId, path) {
  socket?.close();
  watched = taskId; cursor = null; ended = false; open = {};
  $('watched').textContent = taskId;
  $('output').replaceChildren();
  for (const row of $('tasks').children) row.classList.toggle('watched', row.dataset.task === taskId);
  connect(path);
}

function connect(path) {
  const from = cursor ? `${path.includes('?') ? '&' : '?'}from=${cursor}` : '';
  const mine = socket = new WebSocket(location.origin.replace('http', 'ws') + path + from);
  mine.onmessage = message => {
    const event = JSON.parse(message.data);
    cursor = event.cursor ?? cursor;
    switch (event.type) {
      case 'hello': return status(event.status);
      case 'lines': return show([...new Set(event.lines.map(line))].filter(node => !node.parentNode));
      case 'state':
        status(event.status);
        return show([element('div', `${event.status}${event.worker ? ` on ${event.worker}, attempt ${event.attempt}` : ''}${event.reason ? ` (${event.reason})` : ''}`, 'event')]);
      case 'event': return show([element('div', event.data === undefined ? event.name : `${event.name} ${JSON.stringify(event.data)}`, 'event')]);
      case 'exited': return show([element('div', `attempt ${event.attempt} exited${event.exit_code == null ? '' : `, exit code ${event.exit_code}`}`, 'event')]);
      case 'gap': return show([element('div', `lines ${event.from} to ${event.to} of attempt ${event.attempt} are no longer kept`, 'event')]);
      case 'end':
        ended = true;
        status(event.status);
        refresh();
        return show([element('div', `${event.status}${event.exit_code == null ? '' : `, exit code ${event.exit_code}`}, ${event.lines} lines${event.error ? `: ${event.error}` : ''}`, 'event')]);
    }
  };
  // Close codes from 4500 mean: do not reconnect.
  mine.onclose = close => { if (mine === socket && !ended && close.code < 4500) setTimeout(() => mine === socket && connect(path), 1000); };
}

$('sample').append(...samples.map((sample, index) => new Option(sample.name, index)));
$('submit').onclick = () => attempt(async () => {
  const { task_id, links } = await call('POST', '/tasks', samples[$('sample').value].body);
  watch(task_id, links.watch);
  refresh();
});
$('stop').onclick = () => socket?.send('STOP');
follow();
