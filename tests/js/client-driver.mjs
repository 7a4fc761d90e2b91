// Drives the TypeScript client by commands of one line each, in Node and in a page:
//   call METHOD [ARGUMENT, …]     {"answer": …}, a list where the method yields many, or {"refused": {name, message}}
//   watch ID {OPTIONS}            {"event": …} for each, then {"over": true}, or {"refused": …}; {"lost": …} for each lost connection
//   view {OPTIONS}                the same of many tasks
//   abort · go
// Options of the test's own: hold, wait behind the first event of this type until go; leave, break there; block, do nothing at all there for 4.5 s, as a page
// that is busy; tamper, [what, with] in what the API sends.
export class Driver {
  #module;
  #url;
  #say;
  #options;
  #client;
  #aborting = new AbortController();
  #go = () => {};

  constructor(module, url, say, options = {}) {
    this.#module = module;
    this.#url = url;
    this.#say = say;
    this.#options = options;
    this.#client = new module.TaskPipelineClient(url, options);
  }

  /** Comes back at once; what follows is said. */
  obey(line) {
    const [, command, target, rest] = /^(\S+) ?(\S*) ?(.*)$/.exec(line);
    switch (command) {
      case 'call': this.#call(target, JSON.parse(rest)); break;
      case 'watch': this.#watch((client, options) => client.watch(target, options), JSON.parse(rest || '{}')); break;
      case 'view': this.#watch((client, options) => client.watchAll(options), JSON.parse(line.slice('view '.length))); break;
      case 'abort': this.#aborting.abort(); break;
      case 'go': this.#go(); break;
    }
  }

  async #call(method, parameters) {
    try {
      let answer = this.#client[method](...parameters);
      if (Symbol.asyncIterator in answer) {
        const all = [];
        for await (const one of answer)
          all.push(one);
        answer = all;
      }
      this.#say({ answer: await answer });
    } catch (error) {
      this.#refused(error);
    }
  }

  async #watch(watching, { hold, leave, block, tamper, ...options }) {
    let read = 0;
    const tap = tapped(text => tamper ? text.replace(new RegExp(tamper[0]), tamper[1]) : text, bytes => read += bytes);
    const client = new this.#module.TaskPipelineClient(this.#url, { ...this.#options, fetch: tap });
    const going = new Promise(resolve => this.#go = resolve);
    this.#aborting = new AbortController();
    try {
      for await (const event of watching(client, { ...options, signal: this.#aborting.signal, onReconnect: lost => this.#say({ lost }) })) {
        this.#say({ event });
        if (event.type === leave)
          break;
        if (event.type === block) {
          block = undefined;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4500);
        }
        if (event.type === hold) {
          this.#say({ holding: true });
          await going;
          this.#say({ read });
        }
      }
      this.#say({ over: true });
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused({ name, message, status, errors }) {
    this.#say({ refused: { name, message, status, fields: Object.keys(errors ?? {}) } });
  }
}

/** A fetch whose answers are changed on their way, and counted when they are read. */
function tapped(change, count) {
  return async (input, init) => {
    const response = await fetch(input, init);
    if (!response.body || response.status !== 200)
      return response;
    const reader = response.body.getReader();
    const body = new ReadableStream({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done)
          return controller.close();
        count(value.length);
        controller.enqueue(new TextEncoder().encode(change(new TextDecoder().decode(value))));
      },
      cancel: reason => reader.cancel(reason),
    }, { highWaterMark: 0 });
    return new Response(body, { status: response.status, headers: response.headers });
  };
}
