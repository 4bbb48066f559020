// Cuts text into parts that fit a model, by the rules of nlpseq/text/segmentation.py, and joins their translations.

const LINE_END = /\s*[\n\r\v\f\u2028\u2029]\s*/gu;
const UNSPACED = '。！？｡।॥؟۔։።။។'; // what ends a sentence where no space follows
const END = new RegExp(`([.!?…‼⁇⁈⁉${UNSPACED}]+)((?:["'“”‘’»«›‹)\\]」』）】》〉]|[ \\u00a0\\u202f][»›])*)`, 'gu');
const OPENING = /^(?:["'“”‘’„‚«»‹›¿¡([「『（《【〈—–-]|\s)+/u;
const OPENS = '"\'“‘「『（《【〈(';
const INITIALS = /^(?:\p{L}\.-?)*\p{L}$/u;
const ENDS_WITHOUT_SPACE = /[。！？｡]$/u;

const words = (text) => new Set(text.trim().split(/\s+/u));

// In English, French, German and Spanish; in small letters, without the full stop.
const ABBREVIATIONS = words(`
  mr mrs ms mx dr drs prof rev hon gen col maj capt cpt cmdr lt sgt cpl gov sen rep pres supt st ste mt ft messrs vs
  viz approx cf ph.d mme mmes mlle mlles mgr env av bd boul hr hrn fr frl dipl ing mag bzw vgl evtl ggf inkl exkl zzgl
  sog geb gest ca tel sr sra sres srta srtas dra dres dña avda ej aprox ud uds ee`);
const BEFORE_NUMBERS = words(`
  no nos nr num núm fig figs vol vols pp ch chap sec art abs kap pág págs cap tab eq str abb jan feb mar apr jun jul
  aug sep sept oct okt nov dec dez janv févr avr juil ene abr ago dic`);
const AFTER_ORDINALS = words(`
  januar jänner februar feber märz april mai juni juli august september oktober november dezember jahrhundert
  jahrhunderts`);
const BEFORE_ORDINALS = words(`
  am ab beim bis das dem den der des die im ins jede jeden jeder jedes seit und vom zum zur mein meine meinem meinen
  meiner sein seine seinem seinen seiner ihr ihre ihrem ihren ihrer unser unsere unserem unseren unserer`);

/**
 * A text's parts, each {text, spacing}: the whole text, else lines, sentences, runs of words, or parts of a word.
 *
 * @param fits says, or promises to say, whether a part fits.
 * @param unit what a part has at most: one sentence, one line, or any text.
 * @param together where the unit is a sentence, bytes of sentences that stay together in a line.
 */
export async function segments(text, fits, {unit = 'text', together = 0} = {}) {
  text = text.trim();
  if (text === '') return [];
  const found = [];
  const lines = cut(text, [...text.matchAll(LINE_END)].map((match) => [match.index, match.index + match[0].length]));
  if (lines.length > 1 && unit === 'text' && (await fits(text))) return [{text, spacing: ''}];
  for (const line of lines) {
    const sentences = cut(line.text, sentenceEnds(line.text));
    const apart = unit === 'sentence' && areApart(line.text, sentences, together);
    if (sentences.length > 1 && !apart && (await fits(line.text))) {
      found.push(line);
      continue;
    }
    for (const sentence of sentences) {
      found.push(...(await runsOfWords(sentence.text, fits)));
      found.at(-1).spacing = sentence.spacing;
    }
    found.at(-1).spacing = line.spacing;
  }
  return found;
}

/** The texts that were made of parts, spaced as the parts were. Where nothing was made of a part, the part stays. */
export function rejoined(parts, texts) {
  let whole = '';
  parts.forEach((part, place) => {
    const text = texts[place].trim() || part.text;
    const space = ENDS_WITHOUT_SPACE.test(part.text) && !ENDS_WITHOUT_SPACE.test(text) ? ' ' : '';
    whole += text + (part.spacing || space);
  });
  return whole.trim();
}

/** Whether there is a letter of any script. */
export const hasLetters = (text) => /\p{L}/u.test(text);

/** Whether the sentences of a line are too many for one part, or spaced as no model would write them. */
function areApart(line, sentences, together) {
  const bytes = new TextEncoder().encode(line).length;
  return bytes > together || sentences.slice(0, -1).some(({spacing}) => spacing !== ' ');
}

function cut(text, gaps) {
  const found = [];
  let start = 0;
  for (const [begin, end] of gaps) {
    found.push({text: text.slice(start, begin), spacing: text.slice(begin, end)});
    start = end;
  }
  return [...found, {text: text.slice(start), spacing: ''}];
}

/** Where the space begins and ends that stands behind each sentence but the last. */
function sentenceEnds(line) {
  const found = [];
  let start = 0;
  for (const match of line.matchAll(END)) {
    const marks = match[1];
    const unspaced = UNSPACED.includes(marks.at(-1));
    const closing = unspaced ? match[2].split(/[“‘]/u)[0] : match[2]; // what closes in German opens in Chinese
    const begin = match.index + marks.length + closing.length;
    const after = line.slice(begin).trimStart();
    const end = line.length - after.length;
    if (after === '' || begin === start) continue;
    if (unspaced) {
      if (begin === end && closing && !OPENS.includes(after[0])) continue;
    } else if (begin === end || /^\p{Ll}/u.test(after.replace(OPENING, ''))) {
      continue;
    } else if (marks === '.' && !closing && abbreviates(line.slice(start, match.index), after)) {
      continue;
    }
    found.push([begin, end]);
    start = end;
  }
  return found;
}

/** Whether a full stop between the two belongs to the word before it. */
function abbreviates(before, after) {
  const last = before.match(/\S*$/u)[0];
  const word = last.replace(OPENING, '');
  const small = word.toLowerCase();
  if (INITIALS.test(word)) return small !== 'a.m' && small !== 'p.m';
  if (ABBREVIATIONS.has(small) || word === 'MM') return true;
  if (BEFORE_NUMBERS.has(small) || small.endsWith('str')) return /^\p{Nd}/u.test(after);
  if (small === 'ex') return /(p\.|par) ex$/u.test(before.toLowerCase());
  if (!/^[0-9]{1,3}$/.test(word)) return false;
  const earlier = before.slice(0, before.length - word.length).split(/\s+/u).filter(Boolean);
  if (earlier.length === 0 || AFTER_ORDINALS.has(after.match(/^\p{L}*/u)[0].toLowerCase())) return true;
  return BEFORE_ORDINALS.has(earlier.at(-1).toLowerCase()) && !['I', 'i'].includes(earlier.at(-2));
}

/** Cuts in half until each half fits. So a long text needs few calls of `fits`. */
async function runsOfWords(text, fits) {
  if ([...text].length < 2 || (await fits(text))) return [{text, spacing: ''}];
  const gaps = [...text.matchAll(/\s+/gu)];
  const gap = gaps[(gaps.length - 1) >> 1];
  const letters = [...text];
  const first = gap ? text.slice(0, gap.index) : letters.slice(0, letters.length >> 1).join('');
  const rest = text.slice(first.length + (gap ? gap[0].length : 0));
  const before = await runsOfWords(first, fits);
  before.at(-1).spacing = gap ? gap[0] : '';
  return [...before, ...(await runsOfWords(rest, fits))];
}
