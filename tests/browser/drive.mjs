// Serves a folder on localhost, opens Chromium, and answers requests: a line of JSON in, a line of JSON out.
//
//     node drive.mjs SITE CHROMIUM
//
// {"run": {"file", "signature", "calls"}}         -> {"outputs": [...], "ms": [...]}
// {"metadata": {"file"}}                          -> {"metadata"}
// {"screenshot": {"file", "text", "picture"}}     -> {"translation", "time"}
// An array is {"dtype", "shape", "data"}, its bytes in base64. A request that fails is answered by {"error"}.

import {createReadStream} from 'node:fs';
import {createServer} from 'node:http';
import {extname, join, normalize} from 'node:path';
import {createInterface} from 'node:readline';
import puppeteer from 'puppeteer-core';

const TYPES = {'.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm'};
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const LONGEST_ANSWER_MS = 30 * 60 * 1000;

const [site, chromium] = process.argv.slice(2);
const models = []; // files that are served as /models/0, /models/1, ...
const pages = new Map(); // a page each, by its file

function fileOf(path) {
  if (path.startsWith('/models/')) return models[Number(path.slice('/models/'.length))];
  return join(site, normalize(path === '/' ? '/index.html' : path));
}

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
  // Isolated from other sites: then the page's clock is precise.
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin');
  response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
  if (path === '/empty') {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><link rel="icon" href="data:,">');
    return;
  }
  const file = fileOf(path) ?? '';
  const stream = createReadStream(file);
  stream.on('error', () => response.writeHead(404).end());
  stream.on('open', () => {
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    stream.pipe(response);
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const browser = await puppeteer.launch({
  executablePath: chromium,
  headless: true,
  pipe: true,
  args: FLAGS,
  protocolTimeout: LONGEST_ANSWER_MS,
});

function addressOf(file) {
  return `/models/${models.push(file) - 1}`;
}

async function opened(path) {
  const page = await browser.newPage();
  page.setDefaultTimeout(LONGEST_ANSWER_MS);
  page.on('console', (message) => console.error(message.text()));
  page.on('pageerror', (error) => console.error(error.message));
  await page.goto(origin + path);
  return page;
}

/** A page that has loaded the model by docs/browser/main.js. */
async function pageOf(file) {
  if (!pages.has(file)) {
    const page = await opened('/empty');
    await page.evaluate(async (model) => {
      globalThis.nlpseq = await import('/bundle.js');
      globalThis.model = await nlpseq.load(model);
    }, addressOf(file));
    pages.set(file, page);
  }
  return pages.get(file);
}

/** In the page: calls a signature once for each of the calls. */
async function callAll(signature, calls) {
  const {model, nlpseq} = globalThis;
  const runner = model.signatures[signature];
  if (!runner) throw new Error(`no signature '${signature}', but ${Object.keys(model.signatures)}`);
  const arrays = {uint8: Uint8Array, int32: Int32Array, float32: Float32Array};
  const fromBase64 = ({dtype, data}) =>
    new arrays[dtype](Uint8Array.from(atob(data), (character) => character.charCodeAt(0)).buffer);
  const toBase64 = (array) =>
    btoa(Array.from(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), (byte) => String.fromCharCode(byte)).join(''));
  const outputs = [];
  const ms = [];
  for (const call of calls) {
    const inputs = Object.fromEntries(Object.entries(call).map(([name, array]) => [name, fromBase64(array)]));
    for (const {name, dtype} of runner.getInputDetails()) {
      if (call[name]?.dtype !== dtype) throw new Error(`input '${name}' is ${call[name]?.dtype}: give ${dtype}`);
    }
    const begin = performance.now();
    const results = await nlpseq.run(model, signature, inputs);
    ms.push(performance.now() - begin);
    outputs.push(
      Object.fromEntries(
        runner
          .getOutputDetails()
          .map(({name, dtype, shape}) => [name, {dtype, shape: [...shape], data: toBase64(results[name])}]),
      ),
    );
  }
  return {outputs, ms};
}

const answers = {
  async run({file, signature, calls}) {
    return (await pageOf(file)).evaluate(callAll, signature, calls);
  },
  async metadata({file}) {
    return {metadata: await (await pageOf(file)).evaluate(() => globalThis.model.metadata)};
  },
  /** Translates by hand, so to speak: on the page that people see. */
  async screenshot({file, text, picture}) {
    const page = await opened(`/?model=${addressOf(file)}`);
    await page.setViewport({width: 720, height: 560, deviceScaleFactor: 2});
    await page.waitForFunction(() => !document.querySelector('#status').textContent.startsWith('loading'));
    if (await page.$('button:disabled')) throw new Error(await page.$eval('#status', (element) => element.textContent));
    const click = async () => {
      await page.click('button');
      await page.waitForSelector('button:enabled');
    };
    await page.type('#text', text);
    await click();
    await click(); // the first time includes what is prepared once
    const [translation, time] = await Promise.all(
      ['#translation', '#time'].map((name) => page.$eval(name, (element) => element.value)),
    );
    await page.screenshot({path: picture});
    await page.close();
    return {translation, time};
  },
};

console.log('ready');
for await (const line of createInterface({input: process.stdin})) {
  const [[kind, request]] = Object.entries(JSON.parse(line));
  try {
    console.log(JSON.stringify(await answers[kind](request)));
  } catch (error) {
    console.log(JSON.stringify({error: error.message}));
  }
}
await browser.close();
server.close();
