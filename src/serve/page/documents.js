// The list of documents.

import { choices } from "./again.js";
import { ask, chip, choice, count, empty, every100, exports, get, h, link, percent, show, table, toast, turn, when } from "./base.js";

const STEP = 50;
/** The most rows that are saved at once: what a table program still opens. */
const MOST = 10000;

const filters = ["kind", "verdict", "language", "since", "until", "entity", "tag", "source", "sentiment"];

/** All rows that pass the filters, page after page. */
export function allRows(query) {
  const path = new URLSearchParams([...query].filter(([name]) => filters.includes(name)));
  return every100(`/v1/documents?${path}&`, "documents", MOST);
}

function date(name, label, query) {
  const box = h("input", { type: "date", id: name, value: query.get(name) || "", onchange: () => change(query, name, box.value) });
  return h("span", { class: "filter" }, h("label", { for: name }, label), box);
}

function change(query, name, value) {
  const next = new URLSearchParams(query);
  next.delete("offset");
  if (value) next.set(name, value);
  else next.delete(name);
  location.hash = `#/documents?${next}`;
}

/** Those that were understood, and those that were given up. */
const tabs = (dead, given) => h("nav", { class: "tabs", "aria-label": "Which documents" },
  h("a", { href: "#/documents", "aria-current": given ? null : "true" }, "Understood"),
  h("a", { href: "#/documents?state=dead", "aria-current": given ? "true" : null }, `Given up (${count(dead)})`));

/** Sends a document that was given up once more; true where that worked. */
export async function replay(id, name) {
  try {
    await ask(`/v1/dead-letters/${encodeURIComponent(id)}/replay`, { method: "POST" });
    toast(`${name || id} is tried again`);
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

async function givenUp() {
  const [{ counts }, { dead_letters: letters }] = await Promise.all([get("/v1/status"), get("/v1/dead-letters?limit=100")]);
  const line = (one) => {
    const button = h("button", { class: "quiet", "aria-label": `Try ${one.name} again`, onclick: async () => { button.disabled = true; button.disabled = await replay(one.id, one.name); } }, "Try again");
    return h("tr", {}, h("td", { class: "name" }, link(one.id, one.name)), h("td", {}, chip(`${one.failure.stage} · ${one.failure.class}`, "dead")),
      h("td", { class: "summary" }, one.failure.reason, h("br"), h("small", {}, one.failure.remedy)), h("td", { class: "number" }, one.attempts),
      h("td", { class: "time" }, h("small", {}, when(one.failed_at))), h("td", {}, button));
  };
  const flat = ({ failure, ...one }) => ({ id: one.id, name: one.name, stage: failure.stage, class: failure.class, reason: failure.reason, remedy: failure.remedy, attempts: one.attempts, failed_at: one.failed_at });
  show(h("h1", {}, "Documents"), tabs(counts.dead, true), h("section", { class: "card" },
    letters.length > 0 && h("div", { class: "row filters" }, h("small", { class: "grow" }, letters.length < counts.dead ? `The latest ${letters.length} of ${count(counts.dead)}` : "The latest first"), exports("given-up", async () => letters.map(flat))),
    letters.length ? table(["document", "where", "why, and what to do", "tries", "given up", "again"], letters.map(line), "Documents that were given up") : empty("None was given up.")));
}

export async function documents(query) {
  if (query.get("state") === "dead") return givenUp();
  const offset = Number(query.get("offset") || 0);
  const path = new URLSearchParams(query);
  path.set("limit", STEP);
  const [{ documents: rows }, facets, { kinds }, { counts }] = await Promise.all([get(`/v1/documents?${path}`), get("/v1/reports/documents"), choices(), get("/v1/status")]);
  const to = (at) => {
    const next = new URLSearchParams(query);
    next.set("offset", at);
    return `#/documents?${next}`;
  };
  const own = facets.kind.map((one) => one.value);
  const one = (name, values, title) => choice(name, values, query.get(name) || "", (value) => change(query, name, value), title);
  const bar = h("div", { class: "row filters" },
    one("kind", [...new Set([...own, ...Object.keys(kinds)])]), one("verdict", ["accept", "review", "reject"]),
    one("language", facets.language.map((one) => one.value)),
    one("sentiment", facets.sentiment.map((one) => one.value), "tone"),
    facets.source.length > 1 && one("source", facets.source.map((one) => one.value)),
    date("since", "from", query), date("until", "before", query),
    [...query.keys()].some((name) => name !== "offset") && h("a", { href: "#/documents" }, "clear"),
    h("span", { class: "grow" }), rows.length > 0 && exports("documents", () => allRows(query)));
  const named = [query.getAll("entity").map((name) => h("p", {}, "Naming ", chip(name))), query.getAll("tag").map((tag) => h("p", {}, "Tagged ", chip(tag)))];
  show(h("h1", {}, "Documents"), tabs(counts.dead, false), h("section", { class: "card" }, bar, named,
    rows.length ? table(["document", "kind", "pages", "verdict", "summary", "understood"], rows.map(row), "Documents") : nothing(query),
    turn(offset, rows.length, STEP, to, ["newer", "older"])));
}

const nothing = (query) => ([...query.keys()].length
  ? empty("No document passes these filters. ", h("a", { href: "#/documents" }, "Show all"))
  : empty("No documents yet. ", h("a", { href: "#/" }, "Send some")));

const row = (one) => h("tr", {},
  h("td", { class: "name" }, link(one.id, one.name), h("br"), h("small", {}, one.media_type.split("/").pop().split(".").pop(), " · ", one.language)),
  h("td", {}, one.kind, h("br"), h("small", {}, percent(one.kind_confidence))),
  h("td", { class: "number" }, one.pages, one.ocr_confidence !== null && [h("br"), h("small", {}, `OCR ${percent(one.ocr_confidence)}`)]),
  h("td", {}, chip(one.verdict, one.verdict)),
  h("td", { class: "summary" }, h("small", {}, one.summary)),
  h("td", { class: "time" }, h("small", {}, when(one.ingested_at))));
