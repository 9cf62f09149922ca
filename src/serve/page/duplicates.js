// Groups of documents that are much like each other, as a card of the reports.

import { card, chip, count, every100, exports, get, h, link, percent, when } from "./base.js";

const STEP = 10;
const SHOWN = 6;
/** The most groups that are saved at once. */
const MOST = 10000;
export const relations = { same_content: "the same content", new_version: "another version", same_form: "the same form" };

/** Which relations join a group: a form that many filled in is no near-duplicate to most readers. */
const choices = [["", "the same content, and versions"], ["same_content", "the same content"], ["new_version", "versions"], ["same_form", "the same form"], ["all", "all of these"]];
const joins = { "": ["same_content", "new_version"], all: [] };

/** `filter` is that of the reports; `change` opens them with another value of a parameter. */
export async function duplicates(query, filter, change) {
  const chosen = query.get("relation") || "";
  const offset = Number(query.get("groups") || 0);
  const path = new URLSearchParams(filter);
  for (const relation of joins[chosen] || [chosen]) path.append("relation", relation);
  const found = await get(`/v1/reports/duplicates?${path}&limit=${STEP}&offset=${offset}`);
  const box = h("select", { id: "relation", onchange: () => change({ relation: box.value, groups: "" }) },
    choices.map(([value, name]) => h("option", { value, selected: value === chosen }, name)));
  const to = (at, label) => h("button", { class: "quiet", onclick: () => change({ groups: at ? String(at) : "" }) }, label);
  return card("Near-duplicates",
    h("div", { class: "row" }, h("label", { for: "relation", class: "soft" }, "Joined by"), box, h("span", { class: "grow" }),
      found.groups.length > 0 && exports("near-duplicates", async () => rows(await every100(`/v1/reports/duplicates?${path}&`, "groups", MOST)))),
    h("p", { class: "soft" }, found.total ? `${count(found.total)} groups of ${count(found.documents)} documents` : "None came in this time.",
      !found.complete && "; there are more than are looked at once: choose a shorter time"),
    h("ol", { class: "twins", "aria-label": "Groups of near-duplicates", start: offset + 1 }, found.groups.map(group)),
    h("div", { class: "row" }, offset > 0 && to(Math.max(0, offset - STEP), "← larger"), h("span", { class: "grow" }),
      offset + STEP < found.total && to(offset + STEP, "smaller →")));
}

function group({ size, members }) {
  const one = (member) => h("li", {}, link(member.id, member.name), " ",
    member.relation ? chip(relations[member.relation.kind]) : chip("the newest"), h("small", {}, said(member)));
  const left = size - Math.min(size, SHOWN);
  return h("li", {}, h("b", {}, `${count(size)} documents`), h("ul", {}, members.slice(0, SHOWN).map(one)),
    left > 0 && h("small", {}, `and ${count(left)} older`));
}

/** Of which text the two share how much, how near it is to the newest, and when it came. */
const said = ({ relation, similarity, ingested_at: came }) => [
  relation && `${percent(relation.score)} of the text`,
  relation && similarity !== null && `${percent(similarity)} alike in meaning`, when(came)].filter(Boolean).join(" · ");

const rows = (groups) => groups.flatMap(({ size, members }, index) => members.map((member) => ({
  group: index + 1, size, id: member.id, name: member.name, kind: member.kind, relation: member.relation?.kind ?? "newest",
  to: member.relation?.to ?? null, shared_text: member.relation?.score ?? null, similarity: member.similarity, ingested_at: member.ingested_at })));
