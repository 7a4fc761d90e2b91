// A SignalR client as web pages have it. Prints what it is told, one JSON object per line; commands come on standard input.
//   watch ID · watch-from ID OPTIONS · stop ID · subscribe GROUP · call METHOD ARGUMENTS · quit
import { createInterface } from 'node:readline';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';

const [url, transport] = process.argv.slice(2);
const say = message => console.log(JSON.stringify(message));
const hub = new HubConnectionBuilder()
  .withUrl(url, transport ? { transport: HttpTransportType[transport] } : {})
  .configureLogging(LogLevel.Error)
  .build();
hub.on('state', event => say({ state: event }));
hub.on('missed', count => say({ missed: count }));
hub.onclose(error => say({ closed: error?.message ?? '' }));

function watch(stream) {
  stream.subscribe({
    next: event => say({ event }),
    complete: () => say({ complete: true }),
    error: error => say({ error: error.message }),
  });
}

const answer = promise => promise.then(result => say({ result: result ?? null }), error => say({ error: error.message }));

await hub.start();
say({ started: true });
for await (const line of createInterface({ input: process.stdin })) {
  const [command, target, ...rest] = line.split(' ');
  switch (command) {
    case 'watch': watch(hub.stream('Watch', target)); break;
    case 'watch-from': watch(hub.stream('WatchFrom', target, JSON.parse(rest.join(' ')))); break;
    case 'stop': answer(hub.invoke('Stop', target)); break;
    case 'call': answer(hub.invoke(target, ...JSON.parse(rest.join(' ')))); break;
    case 'subscribe': answer(hub.invoke('Subscribe', target)); break;
    default: await hub.stop(); process.exit(0);
  }
}
