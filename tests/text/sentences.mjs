// Prints the parts that docs/browser/segmentation.js cuts texts into: cases of JSON in, parts of JSON out.

import {readFileSync} from 'node:fs';

// As a module, though its name ends in .js.
const code = readFileSync(new URL('../../docs/browser/segmentation.js', import.meta.url), 'utf8');
const {segments} = await import(`data:text/javascript,${encodeURIComponent(code)}`);

const bytes = (text) => new TextEncoder().encode(text).length;
const found = [];
for (const {text, bytes: most = Infinity, unit = 'sentence', together = 0} of JSON.parse(readFileSync(0, 'utf8'))) {
  const parts = await segments(text, (part) => bytes(part) <= most, {unit, together});
  found.push(parts.map((part) => [part.text, part.spacing]));
}
console.log(JSON.stringify(found));
