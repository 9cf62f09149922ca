// The pages of a document beside what was found in them: each lights the other up.

import { ask, documentPath, empty, fill, get, h, percent } from "./base.js";

/** What can be lit: elements of the page and of the findings, each with its places in the text. */
let pageSide = [];
let findingSide = [];
let openPage = () => {};
let last = null;

export function forget() {
  last = null;
  pageSide = [];
  findingSide = [];
  openPage = () => {};
}

/** Lights whatever overlaps a place in the text, on both sides; `scroll` brings it into view. */
export function light(start, end, scroll = true) {
  last = { start, end };
  if (scroll) openPage(start);
  paint(start, end, scroll);
}

function paint(start, end, scroll) {
  for (const side of [pageSide, findingSide]) {
    let first = null;
    for (const { element, places } of side) {
      const on = places.some((place) => place.start < end && place.end > start);
      element.classList.toggle("lit", on);
      if (on) first ??= element;
    }
    if (scroll) first?.scrollIntoView({ block: "nearest" });
  }
}

/** Makes `element` light its places when it is pointed at, focused or pressed; pressed again, the next one. */
export function finds(element, places) {
  const real = places.filter((place) => place && place.end > place.start);
  if (!real.length) return element;
  findingSide.push({ element, places: real });
  let next = 0;
  const to = (index, scroll) => light(real[index].start, real[index].end, scroll);
  element.addEventListener("mouseenter", () => to(0, false));
  element.addEventListener("focus", () => to(0, true));
  element.addEventListener("click", () => { to(next, true); next = (next + 1) % real.length; });
  return element;
}

/** Where entities and fields are, first things first; fields go before entities. */
function spans(doc) {
  const named = doc.entities.flatMap((entity) => entity.mentions.map((mention) => ({
    start: mention.start, end: mention.end, kind: "entity", title: `${entity.text} (${entity.label}, ${percent(mention.confidence)})` })));
  const fields = (doc.fields || []).filter((field) => field.end > field.start).map((field) => ({
    start: field.start, end: field.end, kind: "field", title: `${field.name} (${field.validity}, ${percent(field.confidence)})` }));
  return [...fields, ...named].sort((a, b) => a.start - b.start || b.end - a.end);
}

/** What a button does that has to flow with the text, which one of HTML's does not. */
const presses = (run) => ({
  onclick: run,
  onkeydown: (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    run();
  },
});

/** The tone of a passage, as a word in the margin beside its beginning. */
const toneMark = ({ number, sentiment }) => h("span", { class: `tone ${sentiment.label}` },
  h("span", { class: "unseen" }, ` Tone of passage ${number + 1}: `), `${sentiment.label} ${percent(sentiment.confidence)}`);

/** The text of a page with what was found in it marked, and the tone of each passage beside it. */
function textOf(known, characters, page, passages) {
  const parts = [];
  const toned = passages.filter((passage) => passage.sentiment && passage.page === page.number);
  let next = 0;
  const cut = (start, end) => {
    const cuts = [];
    for (; next < toned.length && toned[next].start < end; next += 1) {
      const here = Math.max(start, toned[next].start);
      cuts.push(characters.slice(start, here).join(""), toneMark(toned[next]));
      start = here;
    }
    return [...cuts, characters.slice(start, end).join("")];
  };
  let at = page.start;
  for (const span of known) {
    if (span.start < at || span.end > page.end) continue;
    const mark = h("span", { class: `found ${span.kind}`, title: span.title, role: "button", tabindex: 0, ...presses(() => light(span.start, span.end)) }, characters.slice(span.start, span.end).join(""));
    pageSide.push({ element: mark, places: [span] });
    parts.push(cut(at, span.start), mark);
    at = span.end;
  }
  parts.push(cut(at, page.end));
  return h("div", { class: `text ${toned.length ? "toned" : ""}`, tabindex: 0, role: "region", "aria-label": `Text of page ${page.number}` }, parts);
}

function boxOf(word, known) {
  const [left, top, right, bottom] = word.bounds;
  const placed = word.start !== null;
  const end = placed ? word.start + Array.from(word.text).length : null;
  const span = placed && known.find((one) => one.start < end && one.end > word.start);
  const place = span || { start: word.start, end };
  const kind = span ? span.kind : word.confidence < 0.6 ? "low" : "";
  const box = h("rect", { x: left, y: top, width: right - left, height: bottom - top, class: kind, onclick: () => placed && light(place.start, place.end) },
    h("title", {}, `${word.text} · ${percent(word.confidence)}${span ? ` · ${span.title}` : ""}`));
  if (placed) pageSide.push({ element: box, places: [{ start: word.start, end }] });
  return box;
}

/** Whether pages of this format can be painted at all. */
const painted = (doc) => doc.media_type.startsWith("image/") || doc.media_type === "application/pdf";
const noPicture = () => Object.assign(new Error("it is text that flows"), { kind: "no-picture" });

/** The pages, one at a time. */
export function sheets(doc) {
  const box = h("div");
  const known = spans(doc);
  const characters = Array.from(doc.text);
  const total = doc.pages.length;
  let number = 1;
  let turn = 0;

  async function draw() {
    const page = doc.pages[number - 1];
    if (!page) { fill(box, empty("The document has no pages.")); return; }
    const own = ++turn;
    pageSide = [];
    const view = h("div", { class: "loading" });
    const to = (step) => () => { number += step; draw(); box.querySelector(`button.${step > 0 ? "next" : "back"}`)?.focus(); };
    const source = page.source === "ocr" ? `read by OCR, ${percent(page.ocr_confidence)}${page.rotation ? `, turned by ${page.rotation}°` : ""}` : "text of the file";
    fill(box, h("div", { class: "row" }, h("h2", { class: "grow" }, `Page ${number} of ${total}`, " ", h("small", {}, source)),
      h("button", { class: "back", disabled: number === 1, "aria-label": "Previous page", onclick: to(-1) }, "‹"),
      h("button", { class: "next", disabled: number === total, "aria-label": "Next page", onclick: to(1) }, "›")), view);
    const path = `${documentPath(doc.id)}/pages/${number}`;
    try {
      if (!painted(doc)) throw noPicture();
      const picture = await (await ask(`${path}/image`)).blob();
      const { words } = await get(`${path}/words`);
      if (own !== turn) return;
      const address = URL.createObjectURL(picture);
      const image = h("img", { src: address, alt: `Page ${number} of ${doc.name}`, onload: () => URL.revokeObjectURL(address) });
      const boxes = h("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, words.map((word) => boxOf(word, known)));
      fill(view, h("div", { class: "sheet" }, image, boxes), legend(), h("details", {}, h("summary", {}, "Text of this page"), textOf(known, characters, page, doc.passages)));
    } catch (error) {
      if (own !== turn) return;
      const why = error.kind === "no-picture" ? "There is no picture of this page: its original is not kept here, or it is text that flows." : error.message;
      fill(view, textOf(known, characters, page, doc.passages), h("p", { class: "soft" }, why));
    }
    view.classList.remove("loading");
    // What was asked for while the page was still coming.
    if (last) paint(last.start, last.end, true);
  }

  openPage = (start) => {
    const there = doc.pages.find((page) => page.start <= start && start < page.end);
    if (!there || there.number === number) return;
    number = there.number;
    draw();
  };
  draw();
  return h("section", { class: "card sticky", tabindex: 0, "aria-label": "Pages" }, box);
}

const legend = () => h("p", { class: "legend" },
  h("span", {}, h("i", { class: "field" }), "field"), h("span", {}, h("i", { class: "entity" }), "name or date"),
  h("span", {}, h("i", { class: "low" }), "hard to read"));
