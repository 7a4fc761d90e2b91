// The plain page in a real browser: submits the sample that is given, watches it, stops it if asked, and prints what a person sees.
import { createInterface } from 'node:readline';
import { launch } from './browser.mjs';

const [url, executablePath, screenshot] = process.argv.slice(2);
const say = message => console.log(JSON.stringify(message));
const browser = await launch(executablePath);
const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
page.on('console', message => message.type() === 'error' && say({ error: message.text() }));
page.on('pageerror', error => say({ error: error.message }));
page.on('dialog', dialog => { say({ dialog: dialog.message() }); dialog.dismiss(); });
await page.goto(url);

for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = line.split(' ');
  switch (command) {
    case 'submit': {
      const before = await page.textContent('#watched');
      await page.selectOption('#sample', argument);
      await page.click('#submit');
      await page.waitForFunction(before => document.querySelector('#watched').textContent !== before, before);
      say({ watched: await page.textContent('#watched') });
      break;
    }
    case 'choose':
      await page.click(`tr[data-task="${argument}"] button`);
      say({ chosen: argument });
      break;
    case 'stop':
      await page.click('#stop');
      say({ stopped: true });
      break;
    case 'status':
      await page.waitForFunction(wanted => document.querySelector('#status').textContent === wanted, argument, { timeout: 20000 });
      say({ status: argument, output: await page.locator('#output div').allTextContents() });
      break;
    case 'listed':
      await page.waitForFunction(wanted => [...document.querySelectorAll('#tasks .status')].some(status => status.textContent === wanted), argument, { timeout: 20000 });
      say({ listed: await page.locator('#tasks tr').allTextContents() });
      break;
    case 'screenshot':
      await page.screenshot({ path: screenshot });
      say({ screenshot });
      break;
    default:
      await browser.close();
      process.exit(0);
  }
}
