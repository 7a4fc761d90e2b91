// The TypeScript client in a page of the API's own origin: the commands of client-driver.mjs.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';

const [url, executablePath] = process.argv.slice(2);
const say = message => console.log(JSON.stringify(message));
const browser = await launch(executablePath);
const page = await browser.newPage();
page.on('pageerror', error => say({ error: error.message }));
await page.exposeFunction('say', say);
const file = path => fileURLToPath(new URL(path, import.meta.url));
await page.route('**/client/**', route => {
  const name = new URL(route.request().url()).pathname.slice('/client/'.length);
  return route.fulfill({ contentType: 'text/javascript', path: file(name === 'client-driver.mjs' ? name : `../../clients/typescript/dist/${name}`) });
});
await page.goto(`${url}healthz`);   // any page of the API itself: from one that is made up, Chromium opens no WebSocket to this machine
await page.evaluate(async () => {
  const [client, { Driver }] = await Promise.all([import('/client/index.js'), import('/client/client-driver.mjs')]);
  window.driver = new Driver(client, location.origin, say);
});
say({ browser: browser.version() });
for await (const line of createInterface({ input: process.stdin }))
  await page.evaluate(line => window.driver.obey(line), line);
await browser.close();
