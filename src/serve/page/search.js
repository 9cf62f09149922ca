// Search by meaning and by words, with facets; and by documents: more like these, less like those.

import { card, chip, count, documentPath, empty, exports, fill, get, h, link, percent, show } from "./base.js";
import { marked, pairs } from "./passages.js";

const STEP = 20;
/** The most hits at once, and the furthest offset, as the API takes them. */
const MOST = 100, FURTHEST = 900;
/** Examples of one sort at most, as the API takes them. */
const EXAMPLES = 10;
const dimensions = ["kind", "verdict", "language", "sentiment", "source", "tag", "entity"];
const filters = [...dimensions, "since", "until"];
const titles = { sentiment: "tone", entity: "names" };
/** What of the words counts, and what is listed: each with its first as if nothing were said. */
const choices = { mode: { "": "by words and meaning", words: "by words", meaning: "by meaning" }, by: { "": "documents", passage: "passages" } };

const filtersOf = (query, without) => new URLSearchParams([...query].filter(([name]) => name !== without && filters.includes(name)));

/** Counts per value. Where a value is chosen, the others are counted as if it were not: else they would vanish. */
async function facetsOf(query) {
  const all = await get(`/v1/reports/documents?${filtersOf(query)}`);
  const chosen = dimensions.filter((name) => query.has(name));
  const wider = await Promise.all(chosen.map((name) => get(`/v1/reports/documents?${filtersOf(query, name)}`)));
  chosen.forEach((name, index) => { all[name] = wider[index][name]; });
  return all;
}

/** What the API is asked for. */
function hitsOf(query, offset, limit = STEP) {
  const path = filtersOf(query);
  if (query.has("of")) path.set("limit", limit);
  if (query.has("of")) return get(`${documentPath(query.get("of"))}/passages/${query.get("passage")}/similar?${path}`);
  const names = query.has("like") || query.has("unlike") ? ["by"] : ["mode", "by"];
  for (const name of ["q", "like", "unlike", ...names]) {
    for (const value of query.getAll(name)) path.append(name, value);
  }
  path.set("limit", limit);
  path.set("offset", offset);
  return get(`/v1/search?${path}`);
}

/** All that is found, as far as the API goes: what follows the furthest offset it does not give. */
async function everyHit(query) {
  const found = [];
  for (let offset = 0; offset <= FURTHEST; offset += MOST) {
    const { hits } = await hitsOf(query, offset, MOST);
    found.push(...hits);
    if (hits.length < MOST || query.has("of")) break;
  }
  return found.map(flat);
}

/** Takes one of several values of a parameter away. */
function without(parameters, name, value) {
  const rest = parameters.getAll(name).filter((one) => one !== value);
  parameters.delete(name);
  for (const one of rest) parameters.append(name, one);
}

/** Where the same search leads with one example more. */
function byExample(query, name, id) {
  const next = new URLSearchParams(query);
  for (const sort of ["like", "unlike"]) without(next, sort, id);
  next.append(name, id);
  next.delete("offset");
  return `#/search?${next}`;
}

/** The examples, each a button that takes it away. */
function examples(shown, go) {
  const one = (name, sign) => (row) => h("button", { class: `chip example ${name}`, title: `${row.name}: take it away`, onclick: () => go((next) => without(next, name, row.id)) },
    `${sign} ${row.name}`, h("span", { "aria-hidden": "true" }, " ×"), h("span", { class: "unseen" }, ", take it away"));
  return h("div", { class: "examples", role: "group", "aria-label": "Examples" }, shown.like.map(one("like", "more like")), shown.unlike.map(one("unlike", "less like")),
    shown.like.length + shown.unlike.length > 1 && h("button", { class: "quiet", onclick: () => go((next) => { next.delete("like"); next.delete("unlike"); }) }, "without examples"));
}

export async function search(query) {
  const text = query.get("q") || "";
  const liked = query.has("like") || query.has("of");
  const go = (changed) => {
    const next = new URLSearchParams(query);
    changed(next);
    next.delete("offset");
    location.hash = `#/search?${next}`;
  };
  const input = h("input", { type: "search", id: "q", value: text, class: "grow", placeholder: "unpaid invoices, late delivery, a name …", "aria-label": "Search" });
  const submit = (event) => {
    event.preventDefault();
    go((next) => {
      for (const name of ["of", "passage", "named"]) next.delete(name);
      if (input.value.trim()) next.set("q", input.value);
      else next.delete("q");
    });
  };
  const form = h("form", { class: "row", role: "search", onsubmit: submit }, input, choice("mode", "What counts", query, go), choice("by", "What is listed", query, go), h("button", { class: "main" }, "Search"));
  const result = h("div");
  show(h("h1", {}, "Search"), h("section", { class: "card" }, form), result);
  if (!text && !liked) {
    input.focus();
    fill(result, hints());
    return;
  }
  const offset = Number(query.get("offset") || 0);
  const [found, facets] = await Promise.all([hitsOf(query, offset), facetsOf(query)]);
  const to = (at) => {
    const next = new URLSearchParams(query);
    next.set("offset", at);
    return `#/search?${next}`;
  };
  const head = h("div", { class: "row" }, h("p", { class: "soft grow", role: "status" },
    `${found.hits.length} found in ${(found.seconds * 1000).toFixed(0)} ms`),
  found.hits.length > 0 && exports("search", () => everyHit(query)));
  fill(result, h("div", { class: "facets" }, h("section", { class: "card", "aria-label": "Filters" }, dimensions.map((name) => facet(name, facets[name], query, go)), dates(query, go),
      h("p", { class: "soft" }, "Counts are of all documents that these filters let pass.")),
    h("section", { class: "card" }, head, found.examples && examples(found.examples, go), query.has("of") && example(query, go),
      found.hits.length ? found.hits.map((one) => hit(one, query)) : empty("Nothing was found. Use other words, or fewer filters."),
      h("div", { class: "row" }, offset > 0 && h("a", { href: to(Math.max(0, offset - STEP)) }, "← back"),
        h("span", { class: "grow" }), found.hits.length === STEP && h("a", { href: to(offset + STEP) }, "more →")))));
}

/** One of a few ways to search. */
function choice(name, label, query, go) {
  const box = h("select", { id: name, "aria-label": label, onchange: () => go((next) => { if (box.value) next.set(name, box.value); else next.delete(name); }) },
    Object.entries(choices[name]).map(([value, title]) => h("option", { value, selected: value === (query.get(name) || "") }, title)));
  return box;
}

/** The passage that others are to be like, as a button that takes it away. */
const example = (query, go) => h("div", { class: "examples" }, h("button", { class: "chip example like", onclick: () => go((next) => ["of", "passage", "named"].forEach((name) => next.delete(name))) },
  `like passage ${Number(query.get("passage")) + 1} of ${query.get("named") || query.get("of")}`, h("span", { "aria-hidden": "true" }, " ×"), h("span", { class: "unseen" }, ", take it away")));

function facet(name, values, query, go) {
  const chosen = query.getAll(name);
  // What all have narrows nothing down.
  if (values.length < 2 && !chosen.length) return null;
  const shown = [...values.slice(0, 8), ...chosen.filter((value) => !values.slice(0, 8).some((one) => one.value === value)).map((value) => values.find((one) => one.value === value) || { value, documents: 0 })];
  const toggle = (value) => go((next) => {
    const others = chosen.filter((one) => one !== value);
    next.delete(name);
    for (const one of chosen.includes(value) ? others : [...others, value]) next.append(name, one);
  });
  return h("fieldset", {}, h("legend", {}, titles[name] || name), shown.map(({ value, documents: n }) => h("label", { title: value },
    h("input", { type: "checkbox", name, value, checked: chosen.includes(value), onchange: () => toggle(value) }), h("span", {}, value), h("small", {}, count(n)))));
}

function dates(query, go) {
  const one = (name, label) => {
    const box = h("input", { type: "date", id: name, value: query.get(name) || "", onchange: () => go((next) => { if (box.value) next.set(name, box.value); else next.delete(name); }) });
    return h("label", { for: name }, h("span", {}, label), box);
  };
  return h("fieldset", { class: "dates" }, h("legend", {}, "understood"), one("since", "from"), one("until", "before"));
}

function hit(one, query) {
  const by = (name, label) => query.getAll(name).length < EXAMPLES && h("a", { href: byExample(query, name, one.id) }, label, h("span", { class: "unseen" }, `: ${one.name}`));
  const others = query.get("by") === "passage" || query.has("of");
  const alike = others && one.passage && h("a", { href: `#/search?${new URLSearchParams({ of: one.id, passage: one.passage.number, named: one.name })}` }, "passages like this", h("span", { class: "unseen" }, `: ${one.name}, page ${one.passage.page}`));
  const why = [one.similarity !== null && `${percent(one.similarity)} alike in meaning`, one.keyword_rank && `words: no. ${one.keyword_rank}`].filter(Boolean).join(" · ");
  return h("article", { class: "hit" }, h("div", { class: "row" }, link(one.id, one.name), chip(one.kind), chip(one.verdict, one.verdict),
    one.passage && one.pages > 1 && h("small", {}, `page ${one.passage.page} of ${one.pages}`), h("span", { class: "grow" }), h("small", {}, why)),
  h("p", {}, marked(one.passage?.text ?? one.summary, one.highlights)),
  pairs(one), h("small", { class: "by" }, alike, by("like", "more like this"), by("unlike", "less like this")));
}

/** A hit as a row of a table. */
export const flat = (one) => ({ id: one.id, name: one.name, kind: one.kind, verdict: one.verdict, language: one.language, pages: one.pages, score: one.score,
  similarity: one.similarity, keyword_rank: one.keyword_rank, page: one.passage?.page ?? null, passage: one.passage?.text ?? one.summary, ingested_at: one.ingested_at });

const hints = () => card("How it finds", h("ul", {},
  h("li", {}, "By meaning: ", h("a", { href: "#/search?q=complaints+about+late+delivery" }, "complaints about late delivery"), " finds a parcel that did not arrive."),
  h("li", {}, "By words: numbers, names and references are found as they are written."),
  h("li", {}, "By example: ", h("i", {}, "more like this"), " and ", h("i", {}, "less like this"), " below each document add up, beside words or without any."),
  h("li", {}, "By passage: ", h("i", {}, "passages"), " lists the places themselves, several of one document; each leads to others like it."),
  h("li", {}, "Filters at the left narrow it down by kind, verdict, language, tone, source, tag, name and time.")));
