// Passages: with the words that were looked for, and beside those that they are like.

import { h, link, percent } from "./base.js";

/** Characters of a passage that are shown. */
const SHOWN = 320;

/** A passage with the words that were looked for marked; of a long one the part around the first of them.
 * Ranges count characters, of which strings of the browser have two for some. */
export function marked(text, ranges) {
  const letters = Array.from(text);
  const first = ranges[0]?.[0] ?? 0;
  const long = letters.length > SHOWN;
  const from = long && first > 200 ? letters.indexOf(" ", first - 120) + 1 : 0;
  const to = long ? from + SHOWN : letters.length;
  const part = (start, end) => letters.slice(start, Math.min(end, to)).join("");
  const seen = ranges.filter(([start]) => start >= from && start < to);
  return [from > 0 && "… ", seen.map(([start, end], at) => [part(at ? seen[at - 1][1] : from, start), h("mark", {}, part(start, end))]),
    part(seen.at(-1)?.[1] ?? from, to), to < letters.length && " …"];
}

/** Which passages of a hit are like which of the examples that it was found by, the best one first. */
export function pairs({ id, name, pairs: all = [] }, called = "the example") {
  const place = (title, where, { page, text }) => h("blockquote", {}, h("small", {}, link(where, title), `, page ${page}`), h("p", {}, marked(text, [])));
  const begin = (text) => { const words = text.trim().split(/\s+/); return words.length > 12 ? `${words.slice(0, 12).join(" ")} …` : words.join(" "); };
  return all.map(({ example, like, passage, score }) => h("details", { class: "met" },
    h("summary", {}, `${percent(score)}: “${begin(passage.text)}”`),
    h("div", {}, place(called, example, like), place(name, id, passage))));
}
