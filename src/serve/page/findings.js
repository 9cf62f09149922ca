// What was found in a document, as cards; the document's view and the review share them.

import { bytes, card, chip, count, h, link, percent, plain, seconds, table, when, words } from "./base.js";
import { legend, strip } from "./charts.js";
import { relations } from "./duplicates.js";
import { finds } from "./sheets.js";

const tones = ["negative", "neutral", "positive"];

/** A line that shows its place when it is pointed at or focused. */
const shows = (places, attributes, ...children) => finds(h("button", { ...attributes, class: `find ${attributes.class || ""}` }, ...children), places);

export function doubts(doc) {
  const { reasons } = doc.verdict;
  return reasons.length > 0 && h("section", { class: "card doubts" }, h("h2", {}, "Doubts"), h("ul", {}, reasons.map((reason) => h("li", {}, reason))));
}

/** Single fields as lines; those of numbered lines (`lines[0].amount`) as a table. */
export function fields(doc) {
  const all = doc.fields || [];
  if (!all.length) return null;
  const single = all.filter((field) => !/\[\d+\]\./.test(field.name));
  return card("Fields", single.map(fieldLine), lines(all).map(([name, rows]) => lineTable(name, rows)));
}

const fieldLine = (field) => shows([field], { class: "fact", title: field.reasons.join("; ") || field.raw },
  h("span", {}, words(field.name)), h("b", {}, plain(field.value)), chip(field.validity === "valid" ? percent(field.confidence) : `${field.validity} ${percent(field.confidence)}`, field.validity));

function lines(all) {
  const found = new Map();
  for (const field of all) {
    const match = /^(\w+)\[(\d+)\]\.(.+)$/.exec(field.name);
    if (!match) continue;
    const [, name, number, column] = match;
    if (!found.has(name)) found.set(name, new Map());
    const rows = found.get(name);
    if (!rows.has(number)) rows.set(number, new Map());
    rows.get(number).set(column, field);
  }
  return [...found];
}

function lineTable(name, rows) {
  const columns = [...new Set([...rows.values()].flatMap((row) => [...row.keys()]))]
    .sort((a, b) => (b === "description") - (a === "description"));
  const cell = (field) => h("td", { class: field && field.value.type !== "text" && "number" },
    field && shows([field], { class: field.validity, title: [`${field.validity} ${percent(field.confidence)}`, ...field.reasons].join("; ") }, plain(field.value)));
  const isNumber = (column) => [...rows.values()].some((row) => row.get(column) && row.get(column).value.type !== "text");
  const head = h("tr", {}, columns.map((column) => h("th", { scope: "col", class: isNumber(column) && "number" }, words(column))));
  const body = [...rows.values()].map((row) => h("tr", {}, columns.map((column) => cell(row.get(column)))));
  return h("div", { class: "scroll lines", tabindex: 0, role: "region", "aria-label": words(name) },
    h("table", {}, h("caption", {}, words(name)), h("thead", {}, head), h("tbody", {}, body)));
}

export function checks(doc) {
  const all = doc.checks || [];
  return all.length > 0 && card("Checks", all.map((check) =>
    h("p", { class: "check" }, chip(check.outcome, check.outcome), h("span", {}, words(check.name.replaceAll("-", " ")), h("small", {}, check.detail)))));
}

export function summary(doc) {
  const sentences = doc.summary.map((sentence) => shows([sentence], { class: "sentence" }, sentence.text, h("small", { title: "how much it stands for the whole" }, ` score ${sentence.score.toFixed(2)}`)));
  return card("Summary",
    doc.written_summary && h("p", {}, doc.written_summary.text, " ", h("small", {}, `written, ${percent(doc.written_summary.confidence)}`)),
    sentences.length ? sentences : h("p", { class: "soft" }, "There is too little text for one."));
}

export function tone(doc) {
  const said = doc.sentiment;
  if (!said) return null;
  const names = tones.filter((name) => name in said.scores).concat(Object.keys(said.scores).filter((name) => !tones.includes(name)));
  const parts = names.map((name) => ({ name, share: said.scores[name], title: `${name} ${percent(said.scores[name])}` }));
  return card("Tone", h("p", {}, chip(`${said.label} ${percent(said.confidence)}`, said.label)), strip(parts, "Tone"), legend(names), passageTones(doc));
}

/** The tone of each passage, where the result has it. */
function passageTones(doc) {
  const passages = doc.passages.filter((passage) => passage.sentiment);
  if (passages.length < 2) return null;
  return h("div", {}, h("h3", {}, "By passage"), h("div", { class: "tones" }, passages.map((passage) =>
    shows([passage], { class: passage.sentiment.label, title: `${passage.sentiment.label} ${percent(passage.sentiment.confidence)}`, "aria-label": `Passage ${passage.number + 1}: ${passage.sentiment.label}` }))));
}

const labels = { PER: "People", ORG: "Organisations", LOC: "Places", MISC: "Other names", DATE: "Dates", MONEY: "Amounts", EMAIL: "Mail", URL: "Addresses on the web", PHONE: "Telephone", IBAN: "IBAN", VAT_ID: "VAT" };

export function entities(doc) {
  if (!doc.entities.length) return null;
  const groups = Map.groupBy ? Map.groupBy(doc.entities, (entity) => entity.label) : new Map([["", doc.entities]]);
  const one = (entity) => shows(entity.mentions, { class: "chip", title: `${entity.label}, ${percent(entity.confidence)}, ${entity.mentions.length} times` },
    entity.text, h("small", {}, ` ${entity.mentions.length > 1 ? `×${entity.mentions.length}, ` : ""}${percent(entity.confidence)}`));
  return card("Named in it", [...groups].map(([label, group]) => h("div", { class: "group" }, h("h3", {}, labels[label] || label),
    h("div", {}, group.slice(0, 30).map(one), group.length > 30 && h("small", {}, `and ${group.length - 30} more`)))));
}

export function duplicates(doc) {
  const all = doc.duplicates || [];
  return all.length > 0 && card("Much like it", all.map((one) => h("div", { class: "twin" },
    h("p", {}, link(one.id, one.name || one.id.slice(0, 12)), " ", chip(relations[one.relation] || one.relation), h("small", {}, percent(one.score))),
    one.differs.length > 0 && h("ul", {}, one.differs.slice(0, 6).map((text) => h("li", {}, h("small", {}, text)))))));
}

/** When it came, what was done, how long each stage worked. */
export function timeline(doc) {
  const spent = Object.entries(doc.seconds).filter(([, n]) => n > 0);
  const total = spent.reduce((sum, [, n]) => sum + n, 0) || 1;
  const parts = spent.map(([name, n]) => ({ name: `stage-${name}`, share: n / total, title: `${name} ${seconds(n)}` }));
  const whole = (new Date(doc.ingested_at) - new Date(doc.received_at)) / 1000;
  const step = (time, what) => h("li", {}, h("time", { datetime: time }, when(time)), h("span", {}, what));
  return card("Timeline", h("ol", { class: "timeline" },
    step(doc.received_at, ["received, ", bytes(doc.size), `, ${doc.priority} priority`]),
    h("li", {}, h("span", {}), h("div", {}, strip(parts, "Time by stage"),
      h("p", { class: "legend" }, spent.map(([name, n]) => h("span", {}, h("i", { class: `mark stage-${name}` }), `${name} ${seconds(n)}`))))),
    step(doc.ingested_at, `understood after ${seconds(Math.max(0, whole))}, waiting included`),
    doc.review && step(doc.review.at, `${doc.review.action} by ${doc.review.by}`)));
}

/** What each model said, and how sure it was of it. */
function saidBy(doc) {
  const least = (numbers) => Math.min(...numbers);
  const mean = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
  const spread = (numbers) => (numbers.length > 1 ? `${percent(mean(numbers))} on average, ${percent(least(numbers))} at least` : percent(numbers[0]));
  const names = doc.entities.filter((entity) => entity.source === "model").map((entity) => entity.confidence);
  const read = doc.pages.filter((page) => page.ocr_confidence !== null).map((page) => page.ocr_confidence);
  const some = (list, one, many) => (list.length === 1 ? `1 ${one}` : `${count(list.length)} ${many}`);
  const sentences = doc.summary.map((sentence) => sentence.score);
  return [
    ["kind", "kind", doc.kind.label, percent(doc.kind.confidence)],
    ["language", null, doc.language.label, percent(doc.language.confidence)],
    read.length && ["reading", null, some(read, "page", "pages"), spread(read)],
    names.length && ["names", "ner", some(names, "name", "names"), spread(names)],
    doc.sentiment && ["tone", "sentiment", doc.sentiment.label, percent(doc.sentiment.confidence)],
    sentences.length && ["summary", "embedding", some(sentences, "sentence", "sentences"), `score ${least(sentences).toFixed(2)} at least`],
    doc.written_summary && ["written summary", "summary", "in its own words", percent(doc.written_summary.confidence)],
    ...(doc.classes || []).slice(0, 3).map((one) => ["class", "classification", one.label, one.scale === "value" ? one.score.toFixed(2) : percent(one.score)]),
  ].filter(Boolean);
}

export const certainty = (doc) => card("How sure each model was", table(["task", "model", "what it said", "how sure"], saidBy(doc).map(([task, model, what, sure]) =>
  h("tr", {}, h("td", {}, task), h("td", {}, h("small", {}, doc.models[model] || "–")), h("td", {}, what), h("td", {}, sure))), "How sure each model was"));

export function facts(doc) {
  const models = Object.entries(doc.models).map(([task, model]) => chip(`${task}: ${model}`));
  const classes = (doc.classes || []).map((one) => chip(`${one.label} ${percent(one.confidence ?? one.score)}`));
  const rows = [
    ["kind", `${doc.kind.label}, ${percent(doc.kind.confidence)}`], ["language", `${doc.language.label}, ${percent(doc.language.confidence)}`],
    ["read by OCR", doc.ocr_confidence === null ? "no" : `yes, ${percent(doc.ocr_confidence)} sure`],
    ["text in passages", `${percent(doc.coverage)} of ${count(Array.from(doc.text).length)} characters`],
    ["type", doc.media_type], ["id", doc.id], classes.length && ["classes", classes],
    doc.parent && ["came out of", link(doc.parent.id, doc.parent.path)],
    (doc.children || []).length > 0 && ["holds", doc.children.map((child) => h("div", {}, link(child.id, child.path)))],
    ["models", models],
  ];
  return card("Facts", h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}
