// One document: its pages beside what was found in it.

import { askAgain } from "./again.js";
import { ask, card, chip, documentPath, exports, fill, get, h, link, memory, percent, save, show, sure, toast, when } from "./base.js";
import { replay } from "./documents.js";
import { certainty, checks, doubts, duplicates, entities, facts, fields, summary, timeline, tone } from "./findings.js";
import { pairs } from "./passages.js";
import { flat } from "./search.js";
import { forget, sheets } from "./sheets.js";

export async function one(id) {
  const state = await get(documentPath(id));
  if (state.state === "processing" || state.state === "waiting") return underWay(id, state);
  if (state.state === "dead") return givenUp(id, state);
  return understood(state);
}

function underWay(id, state) {
  const pages = state.pages_total ? `, page ${state.pages_done} of ${state.pages_total}` : "";
  const where = state.stage ? `In ${state.stage}${pages}, since ${when(state.since)}.` : "It waits to be begun.";
  show(h("h1", {}, state.name || id), card("Under way", h("p", { role: "status" }, where)));
  // Looked at again until it is done, unless the reader has left.
  const timer = setTimeout(() => one(id).catch((error) => toast(error.message)), 1000);
  memory.leave = () => clearTimeout(timer);
}

function givenUp(id, state) {
  const { failure } = state;
  const rows = [["what was found", failure.reason], ["what to do", failure.remedy], ["in", failure.stage], ["class", failure.class],
    ["attempts", state.attempts], ["received", when(state.received_at)], ["given up", when(state.failed_at)], ["id", id]];
  const again = h("button", { class: "main", onclick: async () => { again.disabled = true; again.disabled = await replay(id, state.name); } }, "Try again");
  show(h("div", { class: "title" }, h("h1", {}, state.name || id), again), h("p", { class: "lead" }, chip("given up", "dead"), h("a", { href: "#/documents?state=dead" }, "All that were given up")),
    card("Why", h("dl", { class: "facts" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]))));
}

function understood({ document: doc, dead }) {
  forget();
  const alike = card("Similar documents", h("p", { class: "soft" }, "Looking …"));
  const reviewed = doc.review && chip(`${doc.review.action} by ${doc.review.by}`, doc.review.action);
  show(h("div", { class: "title" }, h("h1", {}, doc.name), h("div", { class: "row" }, actions(doc))),
    h("p", { class: "lead" }, chip(doc.verdict.decision, doc.verdict.decision), chip(doc.kind.label), chip(doc.language.label), reviewed),
    dead && h("section", { class: "card doubts", role: "alert" }, h("h2", {}, "A later version was given up"), h("p", {}, dead.failure.reason)),
    h("div", { class: "split" }, sheets(doc), h("div", { class: "findings" },
      doubts(doc), fields(doc), summary(doc), checks(doc), entities(doc), tone(doc), duplicates(doc), alike, timeline(doc), certainty(doc), facts(doc))));
  return similar(doc, alike);
}

function actions(doc) {
  const again = async () => {
    const options = await askAgain(doc);
    if (!options) return;
    try {
      await ask(`${documentPath(doc.id)}/reprocess`, { json: options });
      toast(`${doc.name} is read again`);
    } catch (error) {
      toast(error.message);
    }
  };
  const forgetIt = async () => {
    if (!await sure(`Forget ${doc.name}? Its result and what finds it are removed.`, "Forget it")) return;
    try {
      await ask(documentPath(doc.id), { method: "DELETE" });
      toast(`${doc.name} is forgotten`);
      location.hash = "#/documents";
    } catch (error) {
      toast(error.message);
    }
  };
  return [
    h("a", { class: "button main", href: `#/review/${encodeURIComponent(doc.id)}` }, "Review"),
    h("a", { class: "button", href: `#/search?like=${encodeURIComponent(doc.id)}` }, "More like this"),
    h("button", { onclick: () => save(`${doc.id}.json`, "application/json", JSON.stringify(doc, null, 2)) }, "Export JSON"),
    h("button", { onclick: again }, "Read again …"), h("button", { class: "danger", onclick: forgetIt }, "Forget"),
  ];
}

async function similar(doc, box) {
  try {
    const { hits } = await get(`${documentPath(doc.id)}/similar?limit=6`);
    const lines = hits.map((hit) => h("div", {}, h("p", { class: "like" }, link(hit.id, hit.name), chip(hit.kind),
      h("small", {}, `${percent(hit.similarity)} alike`, hit.passage && hit.pages > 1 && `, page ${hit.passage.page}`)), pairs(hit, "this document")));
    const rows = async () => (await get(`${documentPath(doc.id)}/similar?limit=100`)).hits.map(flat);
    fill(box, h("div", { class: "row" }, h("h2", { class: "grow" }, "Similar documents"), lines.length > 0 && exports("similar", rows)), lines.length ? lines : h("p", { class: "soft" }, "None."));
    for (const twin of document.querySelectorAll(".twin a")) {
      // A near-duplicate is stored by its id; its name is known if it is among the similar ones.
      const known = hits.find((hit) => link(hit.id, "").getAttribute("href") === twin.getAttribute("href"));
      if (known) twin.textContent = known.name;
    }
  } catch (error) {
    fill(box, h("h2", {}, "Similar documents"), h("p", { class: "soft" }, error.message));
  }
}
