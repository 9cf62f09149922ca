// The page. Plain modules of the browser, no framework: it asks the API below /v1 and draws what it
// hears. Everything from documents goes in as text nodes, never as markup.

const main = document.getElementById("main");
const toastBox = document.getElementById("toast");
let leave = () => {};
let undo = null;

/* Elements: h("td", {class: "x", onclick: f}, "text", child) */
function h(name, attributes = {}, ...children) {
  const svg = ["svg", "rect", "text", "g", "title", "line"].includes(name) && attributes.ns !== false;
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "ns" || value === false || value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}
const show = (...children) => main.replaceChildren(...children.flat(Infinity).filter(Boolean));
const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`);
const count = (number) => Number(number).toLocaleString("en");
const when = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
const chip = (text, extra = "") => h("span", { class: `chip ${extra}`, title: text }, text);
const link = (id, name) => h("a", { href: `#/documents/${encodeURIComponent(id)}` }, name);
const waited = (time) => {
  const minutes = Math.max(0, (Date.now() - new Date(time)) / 60000);
  if (minutes < 60) return `${Math.round(minutes)} min`;
  return minutes < 2880 ? `${Math.round(minutes / 60)} h` : `${Math.round(minutes / 1440)} d`;
};
const plain = (value) => {
  if (!value || typeof value !== "object") return String(value ?? "");
  const inner = value.value;
  if (value.type === "amount") return [inner.amount, inner.currency].filter(Boolean).join(" ");
  return String(inner ?? "");
};

function toast(text, action) {
  const close = () => toastBox.replaceChildren();
  toastBox.replaceChildren(h("div", {}, text, action && h("button", { onclick: () => { close(); action.run(); } }, action.name)));
  clearTimeout(toast.timer);
  toast.timer = setTimeout(close, action ? 12000 : 5000);
}

/* The API. A key is asked for once a session where keys are set. */
async function ask(path, options = {}) {
  const headers = { ...options.headers };
  const key = sessionStorage.getItem("key");
  if (key) headers.authorization = `Bearer ${key}`;
  if (options.json) {
    headers["content-type"] = "application/json";
    options = { ...options, method: "POST", body: JSON.stringify(options.json) };
  }
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) {
    await needKey();
    return ask(path, options);
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    const error = new Error(problem.detail || answer.statusText);
    error.kind = (problem.type || "").split(":").pop();
    error.status = answer.status;
    throw error;
  }
  return answer;
}
const get = async (path) => (await ask(path)).json();
const post = async (path, json = {}) => (await ask(path, { json })).json();
function needKey() {
  const dialog = document.getElementById("key");
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("key", document.getElementById("key-input").value);
      done();
    }, { once: true });
    if (!dialog.open) dialog.showModal();
  });
}
const documentPath = (id) => `/v1/documents/${encodeURIComponent(id)}`;
const reviewPath = (id) => `/v1/reviews/${encodeURIComponent(id)}`;

function every(milliseconds, run) {
  let on = true;
  const turn = async () => {
    if (!on) return;
    if (!document.hidden) await run().catch((error) => toast(error.message));
    if (on) setTimeout(turn, milliseconds);
  };
  turn();
  return () => { on = false; };
}

/* Flow */
const stages = ["consume", "decode", "digitize", "feed", "infer", "interpret", "publish"];
function readMetrics(text) {
  const found = {};
  for (const line of text.split("\n")) {
    const match = /^(quire_\w+)(?:\{(.*?)\})? (\S+)/.exec(line);
    if (!match) continue;
    const stage = /stage="(\w+)"/.exec(match[2] || "");
    found[stage ? `${match[1]}/${stage[1]}` : match[1]] = Number(match[3]);
  }
  return found;
}
function flow() {
  const tiles = h("div", { class: "tiles" });
  const list = h("ol", { class: "stages" });
  const flight = h("div");
  show(h("h1", {}, "Live flow"), upload(), tiles,
    h("section", { class: "card" }, h("h2", {}, "Stages"), list),
    h("section", { class: "card" }, h("h2", {}, "In flight"), flight));
  let before = null;
  leave = every(1000, async () => {
    const [status, text] = await Promise.all([get("/v1/status"), ask("/metrics").then((answer) => answer.text())]);
    const now = { at: performance.now(), metrics: readMetrics(text) };
    const rate = (key) => {
      if (!before) return 0;
      return ((now.metrics[key] || 0) - (before.metrics[key] || 0)) / ((now.at - before.at) / 1000);
    };
    const tile = (number, name) => h("div", { class: "card" }, h("b", {}, count(number)), h("span", {}, name));
    tiles.replaceChildren(tile(status.counts.documents, "documents"), tile(status.counts.passages, "passages"),
      tile(status.in_flight.length, "in flight"), tile(status.counts.dead, "given up"));
    list.replaceChildren(...stages.map((stage) => {
      const depth = now.metrics[`quire_queue_depth/${stage}`] || 0;
      const bound = now.metrics[`quire_queue_bound/${stage}`] || 0;
      const done = now.metrics[`quire_stage_documents_total/${stage}`] || 0;
      const busy = rate(`quire_stage_busy_seconds_total/${stage}`);
      return h("li", {}, h("b", {}, stage), h("em", {}, rate(`quire_stage_documents_total/${stage}`).toFixed(1)), h("small", {}, " /s"),
        h("meter", { min: 0, max: bound || 1, value: depth, "aria-label": `${stage}: waiting` }),
        h("small", {}, `${count(depth)} waiting`, h("br"), `${count(done)} done · ${busy.toFixed(1)} busy`));
    }));
    flight.replaceChildren(status.in_flight.length
      ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Documents in flight" }, h("table", {}, h("thead", {}, h("tr", {}, ["document", "stage", "pages", "for"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, status.in_flight.slice(0, 50).map((one) => h("tr", {}, h("td", {}, one.name), h("td", {}, chip(one.stage)),
          h("td", {}, one.pages_total ? `${one.pages_done} of ${one.pages_total}` : "–"), h("td", {}, waited(one.since)))))))
      : h("p", { class: "empty" }, "Nothing is under way. Drop a file above, or into the inbox folder."));
    before = now;
  });
}

/* Upload, and following what was uploaded */
function upload() {
  const input = h("input", { type: "file", multiple: true, id: "files", "aria-label": "Files to send", onchange: () => send(input.files) });
  const said = h("p", { role: "status", class: "soft" });
  async function send(files) {
    for (const file of files) {
      try {
        const answer = await ask(`/v1/documents?filename=${encodeURIComponent(file.name)}`, { method: "POST", body: file, headers: { "content-type": file.type || "application/octet-stream" } });
        const { id } = await answer.json();
        said.replaceChildren(`${file.name}: waiting`);
        await follow(id, file.name, said);
      } catch (error) {
        said.replaceChildren(`${file.name}: ${error.message}`);
      }
    }
  }
  const box = h("div", { class: "drop card" }, h("label", { for: "files" }, "Drop files here, or choose them: "), input, said);
  box.addEventListener("dragover", (event) => { event.preventDefault(); box.classList.add("over"); });
  box.addEventListener("dragleave", () => box.classList.remove("over"));
  box.addEventListener("drop", (event) => { event.preventDefault(); box.classList.remove("over"); send(event.dataTransfer.files); });
  return box;
}
async function follow(id, name, said) {
  const reader = (await ask(`${documentPath(id)}/events`)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = /^event: ?(.*)$/m.exec(part);
      const data = /^data: ?(.*)$/m.exec(part);
      if (!event || !data) continue;
      const body = JSON.parse(data[1]);
      if (event[1] === "done") said.replaceChildren(link(id, name), ` – ${body.kind}, `, chip(body.verdict, body.verdict));
      else if (event[1] === "dead") said.replaceChildren(`${name}: ${body.failure.reason}`);
      else said.replaceChildren(`${name}: ${body.stage || "waiting"}${body.pages_total ? `, page ${body.pages_done} of ${body.pages_total}` : ""}`);
    }
  }
}

/* Lists */
function table(heads, rows, label) {
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, h("table", {}, h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}
async function documents(query) {
  const offset = Number(query.get("offset") || 0);
  const verdict = query.get("verdict") || "";
  const { documents: rows } = await get(`/v1/documents?limit=50&offset=${offset}${verdict && `&verdict=${verdict}`}`);
  const to = (more) => `#/documents?offset=${offset + more}${verdict && `&verdict=${verdict}`}`;
  const choice = h("select", { id: "verdict", onchange: () => { location.hash = `#/documents?verdict=${choice.value}`; } },
    ["", "accept", "review", "reject"].map((name) => h("option", { value: name, selected: name === verdict }, name || "all")));
  show(h("h1", {}, "Documents"), h("section", { class: "card" }, h("div", { class: "row" }, h("label", { for: "verdict" }, "Verdict"), choice),
    rows.length ? table(["document", "kind", "language", "pages", "verdict", "summary", "understood"], rows.map((row) =>
      h("tr", {}, h("td", {}, link(row.id, row.name)), h("td", {}, row.kind, h("br"), h("small", {}, percent(row.kind_confidence))), h("td", {}, row.language),
        h("td", { class: "number" }, row.pages), h("td", {}, chip(row.verdict, row.verdict)), h("td", {}, h("small", {}, row.summary.slice(0, 140))), h("td", {}, h("small", {}, when(row.ingested_at))))), "Documents")
      : h("p", { class: "empty" }, "No documents here yet."),
    h("div", { class: "row" }, offset > 0 && h("a", { href: to(-Math.min(50, offset)) }, "← newer"), rows.length === 50 && h("a", { href: to(50) }, "older →"))));
}

/* One document: pages beside what was found, each lighting the other up */
function light(start, end) {
  for (const one of document.querySelectorAll(".lit")) one.classList.remove("lit");
  let first = null;
  for (const one of document.querySelectorAll("[data-at]")) {
    const at = Number(one.dataset.at), until = Number(one.dataset.until);
    if (at < end && until > start) { one.classList.add("lit"); first ??= one; }
  }
  first?.scrollIntoView({ block: "nearest" });
}
const spans = (doc) => [
  ...doc.entities.flatMap((entity) => entity.mentions.map((mention) => ({ start: mention.start, end: mention.end, kind: "entity", title: `${entity.text} (${entity.label})` }))),
  ...(doc.fields || []).filter((field) => field.end > field.start).map((field) => ({ start: field.start, end: field.end, kind: "field", title: field.name })),
].sort((a, b) => a.start - b.start);
function textOf(doc, page) {
  const characters = Array.from(doc.text).slice(page.start, page.end);
  const parts = [];
  let at = page.start;
  for (const span of spans(doc)) {
    if (span.start < at || span.end > page.end || span.start < page.start) continue;
    parts.push(characters.slice(at - page.start, span.start - page.start).join(""));
    parts.push(h("span", { "data-at": span.start, "data-until": span.end, title: span.title, ns: false, onclick: () => light(span.start, span.end) }, characters.slice(span.start - page.start, span.end - page.start).join("")));
    at = span.end;
  }
  parts.push(characters.slice(at - page.start).join(""));
  return h("div", { class: "text", tabindex: 0, role: "region", "aria-label": `Text of page ${page.number}` }, parts);
}
function sheets(doc) {
  const box = h("div");
  let number = 1;
  async function draw() {
    const page = doc.pages[number - 1];
    if (!page) { box.replaceChildren(h("p", { class: "empty" }, "The document has no pages.")); return; }
    const view = h("div");
    box.replaceChildren(h("div", { class: "row" }, h("h2", { class: "grow" }, `Page ${number} of ${doc.pages.length}`),
      h("button", { disabled: number === 1, "aria-label": "Previous page", onclick: () => { number -= 1; draw(); } }, "‹"),
      h("button", { disabled: number === doc.pages.length, "aria-label": "Next page", onclick: () => { number += 1; draw(); } }, "›")), view);
    const path = `${documentPath(doc.id)}/pages/${number}`;
    try {
      const blob = await (await ask(`${path}/image`)).blob();
      const image = h("img", { src: URL.createObjectURL(blob), alt: `Page ${number} of ${doc.name}` });
      const boxes = h("svg", { viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" });
      view.replaceChildren(h("div", { class: "sheet" }, image, boxes), h("details", {}, h("summary", {}, "Text"), textOf(doc, page)));
      const { words } = await get(`${path}/words`);
      const known = spans(doc);
      boxes.replaceChildren(...words.map((word) => {
        const [left, top, right, bottom] = word.bounds;
        const end = word.start === null ? null : word.start + Array.from(word.text).length;
        const span = known.find((one) => word.start !== null && one.start < end && one.end > word.start);
        const kind = span ? span.kind : word.confidence < 0.6 ? "low" : "";
        return h("rect", { x: left, y: top, width: right - left, height: bottom - top, class: kind, "data-at": word.start ?? -1, "data-until": end ?? -1,
          onclick: () => end !== null && light(span ? span.start : word.start, span ? span.end : end) }, h("title", {}, `${word.text} · ${percent(word.confidence)}`));
      }));
    } catch (error) {
      view.replaceChildren(textOf(doc, page), h("p", { class: "soft" }, error.kind === "no-picture" ? "There is no picture of this page: its original is not kept here, or it is text that flows." : error.message));
    }
  }
  draw();
  return h("section", { class: "card sticky", tabindex: 0, "aria-label": "Pages" }, box);
}
const findSpan = (start, end) => ({ tabindex: 0, onfocus: () => light(start, end), onmouseenter: () => light(start, end), "data-at": start, "data-until": end });
function findings(doc) {
  const seconds = Object.entries(doc.seconds);
  const total = seconds.reduce((sum, [, spent]) => sum + spent, 0) || 1;
  return [
    doc.verdict.reasons.length > 0 && h("section", { class: "card" }, h("h2", {}, "Doubts"), h("ul", {}, doc.verdict.reasons.map((reason) => h("li", {}, reason)))),
    h("section", { class: "card" }, h("h2", {}, "Summary"), doc.written_summary && h("p", {}, doc.written_summary.text),
      doc.summary.length ? doc.summary.map((sentence) => h("p", findSpan(sentence.start, sentence.end), sentence.text)) : h("p", { class: "soft" }, "None."),
      doc.sentiment && h("p", {}, "Tone ", chip(`${doc.sentiment.label} ${percent(doc.sentiment.confidence)}`, doc.sentiment.label))),
    doc.entities.length > 0 && h("section", { class: "card" }, h("h2", {}, "Named in it"), doc.entities.slice(0, 60).map((entity) => {
      const first = entity.mentions[0];
      return h("button", { class: "chip", onclick: () => first && light(first.start, first.end), title: `${entity.label}, ${percent(entity.confidence)}` }, entity.text, " ", h("small", {}, entity.label));
    })),
    (doc.checks || []).length > 0 && h("section", { class: "card" }, h("h2", {}, "Checks"), doc.checks.map((check) => h("p", {}, chip(check.outcome, check.outcome), check.name, h("br"), h("small", {}, check.detail)))),
    h("section", { class: "card" }, h("h2", {}, "Facts"), h("dl", { class: "facts" }, [
      ["kind", `${doc.kind.label}, ${percent(doc.kind.confidence)}`], ["language", `${doc.language.label}, ${percent(doc.language.confidence)}`], ["OCR", percent(doc.ocr_confidence)],
      ["type", doc.media_type], ["size", `${count(doc.size)} bytes`], ["id", doc.id], ["received", when(doc.received_at)], ["understood", when(doc.ingested_at)],
      doc.review && ["reviewed", `${doc.review.action} by ${doc.review.by}, ${when(doc.review.at)}`],
    ].filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    h("h2", {}, "Time by stage"), h("p", {}, seconds.map(([stage, spent]) => chip(`${stage} ${spent.toFixed(2)} s · ${percent(spent / total)}`)))),
  ].filter(Boolean);
}
async function one(id) {
  const state = await get(documentPath(id));
  if (state.state !== "done") {
    const what = state.state === "dead" ? state.failure : null;
    show(h("h1", {}, state.name || id), h("section", { class: "card" }, what ? [h("p", {}, chip("given up", "dead"), what.reason), h("p", { class: "soft" }, what.remedy)] : h("p", {}, `In ${state.stage}.`)));
    return;
  }
  const doc = state.document;
  const alike = h("section", { class: "card" }, h("h2", {}, "Similar documents"), h("p", { class: "soft" }, "Looking …"));
  const fields = (doc.fields || []).length > 0 && h("section", { class: "card" }, h("h2", {}, "Fields"), doc.fields.map((field) =>
    h("p", findSpan(field.start, field.end), h("span", { class: "soft" }, field.name, ": "), plain(field.value), " ", chip(field.validity, field.validity))));
  show(h("h1", {}, doc.name), h("p", { class: "lead" }, chip(doc.verdict.decision, doc.verdict.decision), chip(doc.kind.label),
    h("a", { href: `#/review/${encodeURIComponent(doc.id)}` }, "Review it")),
  h("div", { class: "split" }, sheets(doc), h("div", {}, fields, findings(doc), alike)));
  const { hits } = await get(`${documentPath(id)}/similar?limit=6`);
  alike.replaceChildren(h("h2", {}, "Similar documents"), hits.length ? hits.map((hit) => h("p", {}, link(hit.id, hit.name), " ", chip(percent(hit.similarity)), chip(hit.kind))) : h("p", { class: "soft" }, "None."));
}

/* Search */
function marked(text, query) {
  const words = query.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter((word) => word.length > 2);
  if (!words.length) return text;
  const escaped = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return text.split(new RegExp(`(${escaped.join("|")})`, "iu")).map((part, index) => (index % 2 ? h("mark", {}, part) : part));
}
async function search(query) {
  const text = query.get("q") || "";
  const input = h("input", { type: "search", id: "q", value: text, class: "grow", placeholder: "unpaid invoices, late delivery, a name …", "aria-label": "Search" });
  const go = (changed) => { const next = new URLSearchParams(query); changed(next); next.delete("offset"); location.hash = `#/search?${next}`; };
  const form = h("form", { class: "row", role: "search", onsubmit: (event) => { event.preventDefault(); go((next) => next.set("q", input.value)); } }, input, h("button", { class: "main" }, "Search"));
  const result = h("div");
  show(h("h1", {}, "Search"), h("section", { class: "card" }, form), result);
  if (!text) { input.focus(); return; }
  const offset = Number(query.get("offset") || 0);
  const path = new URLSearchParams(query);
  path.set("limit", 20); path.set("facets", "true");
  const found = await get(`/v1/search?${path}`);
  const facet = (name, values) => values.length > 0 && h("fieldset", {}, h("legend", {}, name), values.slice(0, 8).map(({ value, documents: n }) => {
    const on = query.getAll(name).includes(value);
    return h("label", {}, h("input", { type: "checkbox", checked: on, onchange: () => go((next) => {
      const others = next.getAll(name).filter((one) => one !== value);
      next.delete(name);
      for (const one of on ? others : [...others, value]) next.append(name, one);
    }) }), h("span", {}, value), h("small", {}, count(n)));
  }));
  const to = (at) => { const next = new URLSearchParams(query); next.set("offset", at); return `#/search?${next}`; };
  result.replaceChildren(h("div", { class: "facets" }, h("section", { class: "card" }, facet("kind", found.facets.kind), facet("language", found.facets.language), facet("verdict", found.facets.verdict), facet("entity", found.facets.entity)),
    h("section", { class: "card" }, h("p", { class: "soft", role: "status" }, `${found.hits.length} found in ${(found.seconds * 1000).toFixed(0)} ms`),
      found.hits.length ? found.hits.map((hit) => h("article", { class: "hit" }, h("div", {}, link(hit.id, hit.name), " ", chip(hit.kind), chip(hit.verdict, hit.verdict), hit.similarity !== null && h("small", {}, `cosine ${hit.similarity.toFixed(2)}`)),
        h("p", {}, marked((hit.passage ? hit.passage.text : hit.summary).slice(0, 320), text)))) : h("p", { class: "empty" }, "Nothing was found. Use other words, or fewer filters."),
      h("div", { class: "row" }, offset > 0 && h("a", { href: to(Math.max(0, offset - 20)) }, "← back"), found.hits.length === 20 && h("a", { href: to(offset + 20) }, "more →")))));
}

/* Review */
async function queue() {
  const [{ reviews }, { reviews: decided }] = await Promise.all([get("/v1/reviews?limit=100"), get("/v1/reviews?state=decided&limit=10")]);
  badge(reviews.length);
  const row = (review) => h("tr", {}, h("td", {}, h("a", { href: `#/review/${encodeURIComponent(review.id)}` }, review.name)), h("td", {}, review.kind), h("td", {}, review.reasons.join("; ") || "a sample"),
    h("td", {}, chip(review.priority, review.priority)), h("td", {}, waited(review.opened_at)), h("td", {}, review.decision ? chip(`${review.decision.action} · ${review.decision.by}`, review.decision.action) : review.claim ? review.claim.by : "–"));
  show(h("h1", {}, "Review"), h("p", { class: "lead" }, "Documents that the program is not sure about: the most urgent first, then those that wait longest."),
    h("section", { class: "card" }, h("h2", {}, `Waiting (${reviews.length})`), reviews.length ? table(["document", "kind", "why", "priority", "waits", "with"], reviews.map(row), "Waiting for review") : h("p", { class: "empty" }, "Nothing waits for you.")),
    decided.length > 0 && h("section", { class: "card" }, h("h2", {}, "Decided"), table(["document", "kind", "why", "priority", "since", "decision"], decided.map(row), "Decided")));
}
async function review(id) {
  const [state, first] = await Promise.all([get(documentPath(id)), get(reviewPath(id))]);
  let now = first;
  const doc = state.document;
  if (!doc) { show(h("h1", {}, id), h("p", { class: "empty" }, "The document is not stored at the moment.")); return; }
  const who = h("input", { id: "who", value: localStorage.getItem("who") || "", placeholder: "your name", onchange: () => localStorage.setItem("who", who.value) });
  const by = () => (who.value.trim() ? { by: who.value.trim() } : {});
  const kind = h("input", { id: "kind", value: doc.kind.label, "data-was": doc.kind.label, oninput: () => changed(kind) });
  const doubt = (field) => ({ invalid: 0, doubtful: 1, valid: 2 })[field.validity] + field.confidence / 10;
  const inputs = [...(doc.fields || [])].sort((a, b) => doubt(a) - doubt(b)).map((field, index) => {
    const value = plain(field.value);
    const input = h("input", { id: `field-${index}`, value, "data-was": value, "data-name": field.name, title: field.reasons.join("; "), oninput: () => changed(input), onfocus: () => light(field.start, field.end) });
    return h("div", { class: "field" }, h("label", { for: `field-${index}`, title: field.name }, field.name), input, chip(`${field.validity} ${percent(field.confidence)}`, field.validity));
  });
  const comment = h("textarea", { id: "comment", rows: 2, class: "grow", placeholder: "Comment (optional)", "aria-label": "Comment" });
  const approve = h("button", { class: "main", onclick: () => decide() }, "Approve (a)");
  const changed = (input) => {
    input.classList.toggle("changed", input.value !== input.dataset.was);
    approve.textContent = Object.keys(corrections()).length ? "Save corrections (a)" : "Approve (a)";
  };
  function corrections() {
    const all = {};
    if (kind.value !== kind.dataset.was) all.kind = kind.value;
    const fields = {};
    for (const input of main.querySelectorAll("input[data-name]")) if (input.value !== input.dataset.was) fields[input.dataset.name] = input.value.trim() || null;
    if (Object.keys(fields).length) all.fields = fields;
    return all;
  }
  async function decide(action, sure = false) {
    const change = action ? {} : corrections();
    action ||= Object.keys(change).length ? "correct" : "approve";
    try {
      await post(`${reviewPath(id)}/decision`, { ...by(), action, version: now.version, corrections: change, comment: comment.value || null, sure });
      undo = { id, by: by() };
      toast(`${doc.name}: ${action}`, { name: "Undo (u)", run: takeBack });
      const { reviews } = await get("/v1/reviews?limit=1");
      location.hash = reviews.length ? `#/review/${encodeURIComponent(reviews[0].id)}` : "#/review";
    } catch (error) {
      if (error.kind === "checks-fail") toast(`Checks fail: ${error.message}`, { name: "Save all the same", run: () => decide(action, true) });
      else { toast(error.message); if (error.kind === "stale") review(id); }
    }
  }
  main.onkeydown = (event) => {
    if (typing(event) || event.ctrlKey || event.metaKey) return;
    if (event.key === "a") decide();
    else if (event.key === "x") decide("reject");
    else return;
    event.preventDefault();
  };
  const open = now.state === "open";
  const take = async () => { try { now = await post(`${reviewPath(id)}/claim`, { ...by(), version: now.version }); toast(`Yours until ${when(now.claim.until)}`); } catch (error) { toast(error.message); } };
  show(h("h1", {}, doc.name), h("p", { class: "lead" }, chip(now.state), chip(now.priority, now.priority), h("a", { href: "#/review" }, "Back to the queue"), " · ", link(doc.id, "Document")),
    h("div", { class: "split" }, sheets(doc), h("div", {},
      h("section", { class: "card" }, h("h2", {}, "Why a person should look"), now.reasons.length ? h("ul", {}, now.reasons.map((reason) => h("li", {}, reason))) : h("p", { class: "soft" }, "A sample, to check what is not doubted."),
        h("div", { class: "field" }, h("label", { for: "kind" }, "kind"), kind, chip(percent(doc.kind.confidence))), inputs,
        h("div", { class: "decide" }, h("div", { class: "row" }, comment), h("div", { class: "row" }, h("label", { for: "who" }, "As"), who),
          h("p", {}), h("div", { class: "row" }, open ? [approve, h("button", { class: "danger", onclick: () => decide("reject") }, "Reject (x)"), h("button", { onclick: () => decide("reprocess") }, "Read again"), h("button", { class: "quiet", onclick: take }, "Claim")]
            : h("button", { class: "main", onclick: () => { undo = { id, by: by() }; takeBack(); } }, "Take the decision back (u)")))),
      h("section", { class: "card" }, h("h2", {}, "History"), now.comments.map((said) => h("p", {}, h("b", {}, said.by), ": ", said.text)),
        h("ol", {}, now.history.map((entry) => h("li", {}, `${entry.what} by ${entry.by}${entry.detail ? `, ${entry.detail}` : ""} `, h("small", {}, when(entry.at)))))),
      findings({ ...doc, verdict: { ...doc.verdict, reasons: [] } }))));
  if (!open) undo = { id, by: by() };
  (main.querySelector("input[data-name]") || main).focus({ preventScroll: true });
}
async function takeBack() {
  if (!undo) return;
  const { id, by } = undo;
  undo = null;
  try { await post(`${reviewPath(id)}/reopen`, by); location.hash = `#/review/${encodeURIComponent(id)}`; route(); } catch (error) { toast(error.message); }
}

/* Reports */
function bars(values, label) {
  const most = Math.max(1, ...values.map(({ documents: n }) => n));
  const height = values.length * 24;
  return h("svg", { class: "chart", viewBox: `0 0 400 ${Math.max(24, height)}`, role: "img", "aria-label": `${label}: ${values.map(({ value, documents: n }) => `${value} ${n}`).join(", ")}` },
    values.map(({ value, documents: n }, index) => h("g", {}, h("text", { x: 0, y: index * 24 + 15 }, value.slice(0, 18)), h("rect", { class: "mark", x: 120, y: index * 24 + 4, width: Math.max(2, (n / most) * 230), height: 14, rx: 3 }), h("text", { x: 358, y: index * 24 + 15 }, count(n)))));
}
function columns(days) {
  const values = [...days].reverse().slice(-60);
  const most = Math.max(1, ...values.map(({ documents: n }) => n));
  const wide = 400 / Math.max(values.length, 12);
  return h("svg", { class: "chart", viewBox: "0 0 400 150", role: "img", "aria-label": `Documents a day: ${values.map(({ value, documents: n }) => `${value} ${n}`).join(", ")}` },
    values.map(({ value, documents: n }, index) => h("rect", { class: "mark", x: index * wide + 1, y: 125 - (n / most) * 115, width: Math.max(1, wide - 2), height: (n / most) * 115, rx: 2 }, h("title", {}, `${value}: ${n}`))),
    h("text", { x: 0, y: 144 }, values[0]?.value || ""), h("text", { x: 400, y: 144, "text-anchor": "end" }, values.at(-1)?.value || ""), h("text", { x: 400, y: 10, "text-anchor": "end" }, `most ${count(most)}`));
}
async function reports() {
  const [facets, stats] = await Promise.all([get("/v1/reports/documents"), get("/v1/reports/reviews")]);
  const card = (name, chart, values) => h("section", { class: "card" }, h("h2", {}, name), values.length ? chart : h("p", { class: "soft" }, "Nothing yet."));
  const time = (seconds) => (seconds < 90 ? `${seconds.toFixed(0)} s` : `${(seconds / 60).toFixed(0)} min`);
  const tile = (value, name) => h("div", { class: "card" }, h("b", {}, value), h("span", {}, name));
  show(h("h1", {}, "Reports"), h("div", { class: "tiles" }, tile(count(stats.open), "wait for review"), tile(count(stats.all.decisions), "decisions"), tile(stats.all.decisions ? percent(stats.all.agreement) : "–", "approved as found"), tile(stats.all.decisions ? time(stats.all.median_seconds) : "–", "median to decide")),
    h("div", { class: "charts" }, card("Documents a day", columns(facets.day), facets.day), card("Kinds", bars(facets.kind.slice(0, 10), "Kinds"), facets.kind), card("Tone", bars(facets.sentiment, "Tone"), facets.sentiment),
      card("Verdicts", bars(facets.verdict, "Verdicts"), facets.verdict), card("Languages", bars(facets.language.slice(0, 8), "Languages"), facets.language), card("Named most", bars(facets.entity.slice(0, 10), "Named most"), facets.entity)),
    h("p", {}),
    Object.keys(stats.by_reviewer).length > 0 && h("section", { class: "card" }, h("h2", {}, "By reviewer"), table(["reviewer", "decisions", "approved as found", "median", "nine of ten within"], Object.entries(stats.by_reviewer).map(([name, group]) =>
      h("tr", {}, h("td", {}, name), h("td", {}, count(group.decisions)), h("td", {}, percent(group.agreement)), h("td", {}, time(group.median_seconds)), h("td", {}, time(group.p90_seconds)))), "By reviewer")));
}

/* Ways and keys */
function badge(number) {
  const box = document.getElementById("open-count");
  box.hidden = !number;
  box.textContent = number >= 100 ? "99+" : number;
}
async function route() {
  leave();
  leave = () => {};
  main.onkeydown = null;
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const [, section = "", id] = path.split("/");
  for (const item of document.querySelectorAll("nav a")) {
    const own = item.getAttribute("href").replace("#/", "");
    if (own === section) item.setAttribute("aria-current", "page"); else item.removeAttribute("aria-current");
  }
  document.title = `${section ? section[0].toUpperCase() + section.slice(1) : "Flow"} · quire`;
  const parameters = new URLSearchParams(query || "");
  try {
    if (section === "documents") await (id ? one(decodeURIComponent(id)) : documents(parameters));
    else if (section === "search") await search(parameters);
    else if (section === "review") await (id ? review(decodeURIComponent(id)) : queue());
    else if (section === "reports") await reports();
    else flow();
  } catch (error) {
    show(h("h1", {}, "That did not work"), h("p", { class: "empty", role: "alert" }, error.message));
  }
}
const typing = (event) => ["INPUT", "TEXTAREA", "SELECT"].includes(event.target.tagName);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") event.target.blur?.();
  if (typing(event) || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const rows = [...main.querySelectorAll("tbody tr, .hit")];
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const move = (to) => { rows[at]?.classList.remove("at"); rows[to]?.classList.add("at"); rows[to]?.querySelector("a")?.focus(); };
  if (event.key === "/") location.hash = "#/search";
  else if (event.key === "?") document.getElementById("help").showModal();
  else if (event.key === "j") move(Math.min(at + 1, rows.length - 1));
  else if (event.key === "k") move(Math.max(at - 1, 0));
  else if (event.key === "u") takeBack();
  else if (/^[1-5]$/.test(event.key)) location.hash = document.querySelector(`nav a[data-key="${event.key}"]`).getAttribute("href");
  else return;
  event.preventDefault();
});
document.getElementById("help-button").addEventListener("click", () => document.getElementById("help").showModal());
window.addEventListener("hashchange", route);
route();
get("/v1/reviews?limit=100").then(({ reviews }) => badge(reviews.length)).catch(() => {});
