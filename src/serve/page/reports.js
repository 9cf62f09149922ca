// What all documents together are like, and how good the reading is.

import { ask, card, count, day, exports, get, h, percent, save, seconds, show, table, tile, toast } from "./base.js";
import { bars, columns, course, shares } from "./charts.js";
import { duplicates } from "./duplicates.js";

const spans = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"], ["", "all time"]];
/** What can be looked at over time. */
const courses = { kind: "kinds", entity: "names", source: "sources", tag: "tags", language: "languages", sentiment: "tones" };
const DAY = 86400000;

const today = () => new Date(`${day(Date.now())}T00:00:00Z`).getTime();

/** How long a point is, so that a course has a month of them at most, or all months. */
function stepOf(days) {
  const first = new Date(`${days.at(-1)?.value ?? day(Date.now())}T00:00:00Z`).getTime();
  const all = (today() - first) / DAY;
  return all <= 31 ? "day" : all <= 217 ? "week" : "month";
}

/** The first days of all points from one on. */
function steps(from, step) {
  const found = [];
  for (const at = new Date(from); at.getTime() <= today();) {
    found.push(day(at));
    if (step === "month") at.setUTCMonth(at.getUTCMonth() + 1);
    else at.setUTCDate(at.getUTCDate() + (step === "week" ? 7 : 1));
  }
  return found;
}

const counted = (facet) => Object.fromEntries(facet.map(({ value, documents: n }) => [value, n]));

/** Every day from the first with documents to today, those without any too. */
function everyDay(days) {
  const known = counted(days);
  const found = [];
  const first = Math.max(today() - 59 * DAY, new Date(`${days.at(-1)?.value ?? day(Date.now())}T00:00:00Z`).getTime());
  for (let at = first; at <= today(); at += DAY) found.push({ value: day(at), documents: known[day(at)] || 0 });
  return found;
}

export async function reports(query) {
  const chosen = query.get("days") ?? "";
  const kind = query.get("kind") || "";
  const filter = new URLSearchParams();
  if (chosen) filter.set("since", day(today() - (Number(chosen) - 1) * DAY));
  if (kind) filter.set("kind", kind);
  const change = (changed) => {
    const next = new URLSearchParams(query);
    for (const [name, value] of Object.entries(changed)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    location.hash = `#/reports?${next}`;
  };
  const [facets, all, stats, twins] = await Promise.all([get(`/v1/reports/documents?${filter}`), get("/v1/reports/documents"), get(`/v1/reports/reviews?${filter}`), duplicates(query, filter, change)]);
  const step = stepOf(facets.day);
  const followed = query.get("over") in courses ? query.get("over") : "kind";
  const series = (by) => get(`/v1/reports/series?${new URLSearchParams([...filter, ["by", by], ["step", step], ["limit", "8"]])}`);
  const [tones, verdicts, chosenOne] = await Promise.all(["sentiment", "verdict", followed].map(series));
  const over = ({ points }) => points.map(({ from, counts }) => ({ value: from, parts: counts }));
  const to = (name) => (value) => `#/documents?${new URLSearchParams([...filter, [name, value]])}`;
  const total = facets.verdict.reduce((sum, one) => sum + one.documents, 0);
  const accepted = counted(facets.verdict).accept || 0;
  const go = (name, value) => change({ [name]: value, groups: "" });
  const chart = (title, drawing, values) => card(title, values.length ? drawing() : h("p", { class: "soft" }, "Nothing yet."));
  show(h("div", { class: "title" }, h("h1", {}, "Reports"), choices(chosen, kind, all.kind, go), exports("report", async () => rows(facets, [tones, verdicts, ...(["sentiment", "verdict"].includes(followed) ? [] : [chosenOne])], stats))),
    h("div", { class: "tiles" }, tile(count(total), "documents", kind || "of all kinds"), tile(total ? percent(accepted / total) : "–", "accepted"),
      tile(count(stats.open), "wait for review", stats.open ? `the oldest for ${seconds(stats.oldest_seconds)}` : "none"),
      tile(stats.all.decisions ? percent(stats.all.agreement) : "–", "approved as found", `${count(stats.all.decisions)} decisions`),
      tile(stats.all.decisions ? seconds(stats.all.median_seconds) : "–", "median to decide", stats.all.decisions > 0 && `${seconds(stats.all.median_waited_seconds)} with the time in the queue`)),
    h("div", { class: "charts" },
      chart("Documents a day", () => columns(everyDay(facets.day), "Documents a day"), facets.day),
      chart("Tone over time", () => shares(over(tones), ["negative", "neutral", "positive"], "Tone over time"), facets.sentiment),
      chart("Quality over time", () => shares(over(verdicts), ["reject", "review", "accept"], "Verdicts over time"), facets.verdict),
      chart("Kinds", () => bars(facets.kind.slice(0, 12), "Kinds", to("kind")), facets.kind),
      chart("Named most", () => bars(facets.entity.slice(0, 12), "Named most", to("entity")), facets.entity),
      chart("Languages", () => bars(facets.language.slice(0, 12), "Languages", to("language")), facets.language),
      overTime(chosenOne, followed, to(followed), change)),
    twins, decisions("By reviewer", "reviewer", stats.by_reviewer), decisions("By kind", "kind", stats.by_kind),
    stats.all.decisions > 0 && h("p", {}, h("button", { onclick: lessons }, "Save what was corrected, to learn from (JSON lines)")));
}

/** The most frequent values of one sort, each with its course. */
function overTime({ step, values, points }, followed, to, change) {
  const box = h("select", { id: "over", "aria-label": "What is followed over time", onchange: () => change({ over: box.value }) },
    Object.entries(courses).map(([value, name]) => h("option", { value, selected: value === followed }, name)));
  const known = new Map(points.map(({ from, counts }) => [from, counts]));
  const all = points.length ? steps(points[0].from, step) : [];
  const line = ({ value, documents: n }) => h("li", {}, h("a", { href: to(value), title: value }, value),
    course(all.map((from) => known.get(from)?.[value] || 0), `${value}, ${step} by ${step}`), h("span", { class: "number" }, count(n)));
  return card("Over time", h("div", { class: "row" }, box, h("small", { class: "soft" }, all.length > 0 && `by the ${step}, from ${all[0]}`)),
    values.length ? h("ol", { class: "bars", "aria-label": "Over time" }, values.map(line)) : h("p", { class: "soft" }, "Nothing yet."));
}

function choices(chosen, kind, kinds, go) {
  const time = h("select", { id: "days", onchange: () => go("days", time.value) }, spans.map(([value, name]) => h("option", { value, selected: value === chosen }, name)));
  const which = h("select", { id: "report-kind", onchange: () => go("kind", which.value) }, h("option", { value: "" }, "all kinds"),
    kinds.map(({ value }) => h("option", { value, selected: value === kind }, value)));
  return h("span", { class: "row grow" }, h("label", { class: "unseen", for: "days" }, "Time"), time, h("label", { class: "unseen", for: "report-kind" }, "Kind"), which);
}

/** Every chart and table as rows of one shape. */
function rows(facets, courses, stats) {
  const row = (table, value, from, what, number) => ({ table, value, from, what, number });
  const decided = (table, groups) => Object.entries(groups).flatMap(([name, { actions, ...numbers }]) => [
    ...Object.entries(numbers), ...Object.entries(actions)].map(([what, number]) => row(table, name, "", what, number)));
  return [
    ...Object.entries(facets).flatMap(([facet, values]) => values.map(({ value, documents: n }) => row(facet, value, "", "documents", n))),
    ...courses.flatMap(({ by, step, points }) => points.flatMap(({ from, counts }) =>
      Object.entries(counts).map(([value, n]) => row(`${by} by ${step}`, value, from, "documents", n)))),
    ...decided("all decisions", { all: stats.all }), ...decided("by reviewer", stats.by_reviewer), ...decided("by kind", stats.by_kind),
  ];
}

function decisions(title, head, groups) {
  const all = Object.entries(groups);
  const row = ([name, group]) => h("tr", {}, h("td", {}, name), h("td", { class: "number" }, count(group.decisions)), h("td", { class: "number" }, percent(group.agreement)),
    h("td", { class: "number" }, seconds(group.median_waited_seconds)), h("td", { class: "number" }, seconds(group.median_seconds)), h("td", { class: "number" }, seconds(group.p90_seconds)));
  return all.length > 0 && card(title, table([head, "decisions", "approved as found", "waited, median", "to decide, median", "nine of ten within"], all.map(row), title));
}

async function lessons() {
  try {
    save("corrections.jsonl", "application/x-ndjson", await (await ask("/v1/reports/corrections")).text());
  } catch (error) {
    toast(error.message);
  }
}
