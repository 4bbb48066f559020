// Runs a file of `nlpseq export` in the browser with LiteRT.js, and connects it to index.html.
// To use it in a page of your own, import `load`, `run` and `translate`.

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';
import {hasLetters, rejoined, segments} from './segmentation.js';

const ARRAYS = {uint8: Uint8Array, int32: Int32Array, float32: Float32Array};
let litert; // the promise of the runtime, loaded once

/** Loads a model. A model serves one call at a time: give each Web Worker its own. */
export async function load(url) {
  await (litert ??= loadLiteRt(new URL('wasm/', document.baseURI).href));
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
  const file = new Uint8Array(await response.arrayBuffer());
  const model = await loadAndCompile(file, {accelerator: 'wasm'});
  return {signatures: model.signatures, metadata: metadata(file), delete: () => model.delete()};
}

/**
 * Calls a signature.
 *
 * @param inputs by name: a text, its bytes, or numbers. What is shorter than its buffer is padded with zeros.
 * @return outputs by name, each a typed array with all values in a row.
 */
export async function run(model, signature, inputs) {
  const runner = model.signatures[signature];
  const tensors = {};
  let results = {};
  try {
    for (const {name, dtype, shape} of runner.getInputDetails()) {
      const given = inputs[name];
      const buffer = new ARRAYS[dtype](shape.reduce((size, side) => size * side, 1));
      buffer.set(typeof given === 'string' ? new TextEncoder().encode(given) : given);
      tensors[name] = new Tensor(buffer, [...shape]);
    }
    results = await runner.run(tensors);
    return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, tensor.toTypedArray()]));
  } finally {
    for (const tensor of [...Object.values(tensors), ...Object.values(results)]) tensor.delete();
  }
}

/** The text in a buffer: UTF-8 up to the padding. */
export function textOf(buffer) {
  let end = buffer.length;
  while (end > 0 && buffer[end - 1] === 0) end -= 1;
  return new TextDecoder().decode(buffer.subarray(0, end));
}

/**
 * Translates a text of any length. What is longer than what the model has learnt, or than its buffers, is cut into lines,
 * sentences or less; the spacing between them stays.
 */
export async function translate(model, text, signature = 'translate') {
  const {unit, together, copies_figures: copiesFigures} = model.metadata ?? {};
  const room = model.signatures[signature].getInputDetails()[0].shape[0];
  const known = new Map();
  async function fits(part) {
    if (copiesFigures && !hasLetters(part)) known.set(part, part);
    if (!known.has(part) && new TextEncoder().encode(part).length <= room) {
      const {text: translation, left_out} = await run(model, signature, {text: part});
      if (left_out[0] === 0) known.set(part, textOf(translation));
    }
    return known.has(part);
  }
  const parts = await segments(text, fits, {unit, together});
  return rejoined(parts, parts.map((part) => known.get(part.text) ?? '')); // of a character that cannot be read: itself
}

/** What the file says of itself, from its metadata table (docs/exported-files.md); null if it says nothing. */
export function metadata(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const follow = (at) => at + view.getUint32(at, true);
  const field = (table, number) => {
    const vtable = table - view.getInt32(table, true);
    const known = 4 + 2 * number < view.getUint16(vtable, true);
    const distance = known ? view.getUint16(vtable + 4 + 2 * number, true) : 0;
    return distance ? table + distance : null; // null: absent
  };
  const bytes = (at) => file.subarray(follow(at) + 4, follow(at) + 4 + view.getUint32(follow(at), true));
  const elements = (at) =>
    at === null ? [] : Array.from({length: view.getUint32(follow(at), true)}, (_, n) => follow(follow(at) + 4 + 4 * n));
  const text = (at) => new TextDecoder().decode(bytes(at));

  const [BUFFERS, METADATA] = [4, 6]; // numbers of the model table's fields, by TensorFlow Lite's schema
  const model = follow(0);
  const entry = elements(field(model, METADATA)).find((table) => text(field(table, 0)) === 'nlpseq');
  if (entry === undefined) return null;
  const buffer = elements(field(model, BUFFERS))[view.getUint32(field(entry, 1), true)];
  return JSON.parse(text(field(buffer, 0)));
}

/** Connects index.html: `?model=` names the file, model.tflite by default. */
async function start(form) {
  const status = document.querySelector('#status');
  const url = new URLSearchParams(location.search).get('model') ?? 'model.tflite';
  try {
    const model = await load(url);
    const {name = url, languages = []} = model.metadata ?? {};
    status.textContent = [name, languages.join(' → ')].filter(Boolean).join(', ');
    form.onsubmit = async (event) => {
      event.preventDefault();
      form.button.disabled = true;
      const begin = performance.now();
      try {
        form.translation.value = await translate(model, form.text.value);
        form.time.value = `${(performance.now() - begin).toFixed(1)} ms`;
      } catch (error) {
        form.time.value = error.message;
      }
      form.button.disabled = false;
    };
    form.button.disabled = false;
  } catch (error) {
    status.textContent = error.message;
  }
}

if (document.forms.translate) start(document.forms.translate);
