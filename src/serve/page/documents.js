// The list of documents.

import { chip, count, empty, exports, get, h, link, percent, show, table, when } from "./base.js";

const STEP = 50;
/** The most rows that are saved at once: what a table program still opens. */
const MOST = 10000;

const kinds = ["invoice", "receipt", "letter", "email", "contract", "resume", "statement", "report", "form", "article", "presentation", "spreadsheet", "notice", "other"];
const filters = ["kind", "verdict", "language", "since", "until", "entity", "tag", "source", "sentiment"];

/** All rows that pass the filters, page after page. */
export async function allRows(query) {
  const rows = [];
  while (rows.length < MOST) {
    const path = new URLSearchParams([...query].filter(([name]) => filters.includes(name)));
    path.set("limit", 100);
    path.set("offset", rows.length);
    const { documents } = await get(`/v1/documents?${path}`);
    rows.push(...documents);
    if (documents.length < 100) break;
  }
  return rows.slice(0, MOST);
}

function choice(name, values, query, title = name) {
  const now = query.get(name) || "";
  const list = values.includes(now) || !now ? values : [...values, now];
  const box = h("select", { id: name, onchange: () => change(query, name, box.value) },
    h("option", { value: "" }, "all"), list.map((value) => h("option", { value, selected: value === now }, value)));
  return h("span", { class: "filter" }, h("label", { for: name }, title), box);
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

export async function documents(query) {
  const offset = Number(query.get("offset") || 0);
  const path = new URLSearchParams(query);
  path.set("limit", STEP);
  const [{ documents: rows }, facets] = await Promise.all([get(`/v1/documents?${path}`), get("/v1/reports/documents")]);
  const to = (at) => {
    const next = new URLSearchParams(query);
    next.set("offset", at);
    return `#/documents?${next}`;
  };
  const own = facets.kind.map((one) => one.value);
  const bar = h("div", { class: "row filters" },
    choice("kind", [...new Set([...own, ...kinds])], query), choice("verdict", ["accept", "review", "reject"], query),
    choice("language", facets.language.map((one) => one.value), query), choice("sentiment", facets.sentiment.map((one) => one.value), query, "tone"),
    facets.source.length > 1 && choice("source", facets.source.map((one) => one.value), query),
    date("since", "from", query), date("until", "before", query),
    [...query.keys()].some((name) => name !== "offset") && h("a", { href: "#/documents" }, "clear"),
    h("span", { class: "grow" }), rows.length > 0 && exports("documents", () => allRows(query)));
  const named = [query.getAll("entity").map((name) => h("p", {}, "Naming ", chip(name))), query.getAll("tag").map((tag) => h("p", {}, "Tagged ", chip(tag)))];
  show(h("h1", {}, "Documents"), h("section", { class: "card" }, bar, named,
    rows.length ? table(["document", "kind", "pages", "verdict", "summary", "understood"], rows.map(row), "Documents") : nothing(query),
    h("div", { class: "row" }, offset > 0 && h("a", { href: to(Math.max(0, offset - STEP)) }, "← newer"),
      rows.length > 0 && h("small", { class: "grow" }, `${count(offset + 1)} to ${count(offset + rows.length)}`),
      rows.length === STEP && h("a", { href: to(offset + STEP) }, "older →"))));
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
