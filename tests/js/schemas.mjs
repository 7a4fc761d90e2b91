// Says which messages of an AsyncAPI document a value can be: on standard input the document, then values, {"channel":"…","value":…}, one JSON object per line.
// Stricter than the document, which allows fields that are to come: here each field has to be described.
import { createInterface } from 'node:readline';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';

const say = message => console.log(JSON.stringify(message));

function closed(schema) {
  if (Array.isArray(schema))
    return schema.map(closed);
  if (schema === null || typeof schema !== 'object')
    return schema;
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]));
  return copy.type === 'object' && copy.properties ? { ...copy, additionalProperties: false } : copy;
}

let channels;
for await (const line of createInterface({ input: process.stdin })) {
  const read = JSON.parse(line);
  if (!channels) {
    const ajv = addFormats(new Ajv({ allErrors: true, strictSchema: true, strictTypes: false }).addVocabulary(['components']));
    const schemas = closed(read.components.schemas);
    const checks = Object.fromEntries(Object.entries(read.components.messages).map(([name, message]) => [name, ajv.compile({ components: { schemas }, ...closed(message.payload) })]));
    channels = Object.fromEntries(Object.entries(read.channels).map(([name, channel]) => [name, Object.values(channel.messages).map(message => message.$ref.split('/').at(-1)).map(message => ({ message, check: checks[message] }))]));
    say({ channels: Object.keys(channels) });
    continue;
  }
  const found = channels[read.channel].map(({ message, check }) => ({ message, fits: check(read.value), errors: check.errors?.map(error => `${error.instancePath} ${error.message}`) }));
  say({ fits: found.filter(one => one.fits).map(one => one.message), errors: found.filter(one => !one.fits).map(one => `${one.message}: ${one.errors}`) });
}
