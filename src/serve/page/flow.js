// What flows at this moment, and sending documents.

import { ask, card, chip, count, documentPath, empty, every, fill, get, h, link, memory, percent, seconds, show, since, table, tile, toast } from "./base.js";
import { spark } from "./charts.js";

const stages = ["consume", "decode", "digitize", "feed", "infer", "interpret", "publish"];
const units = { digitize: "pages", infer: "tokens" };

/** The samples of an OpenMetrics text that this page shows, by name and label, over all GPUs. */
function readMetrics(text) {
  const found = {};
  for (const line of text.split("\n")) {
    const match = /^(quire_\w+)(?:\{(.*?)\})? (\S+)/.exec(line);
    if (!match) continue;
    const label = /(?:stage|lane|outcome|source|state)="([\w-]+)"/.exec(match[2] || "");
    const key = label ? `${match[1]}/${label[1]}` : match[1];
    found[key] = (found[key] || 0) + Number(match[3]);
  }
  return found;
}

export function flow() {
  const tiles = h("div", { class: "tiles" });
  const list = h("ol", { class: "stages" });
  const flight = h("div");
  const engine = h("dl", { class: "facts" });
  const done = [];
  show(h("h1", {}, "Live flow"), tiles, card("Stages", list),
    h("div", { class: "pair" }, upload(), card("Engine and backlog", engine)), card("In flight", flight));
  let before = null;
  memory.leave = every(1000, async () => {
    const [status, text] = await Promise.all([get("/v1/status"), ask("/metrics").then((answer) => answer.text())]);
    const now = { at: performance.now(), metrics: readMetrics(text) };
    const rate = (key) => {
      if (!before) return 0;
      return Math.max(0, ((now.metrics[key] || 0) - (before.metrics[key] || 0)) / ((now.at - before.at) / 1000));
    };
    const value = (key) => now.metrics[key] || 0;
    if (before) done.push(rate("quire_documents_total/done"));
    if (done.length > 60) done.shift();
    const lately = done.slice(-10).reduce((sum, n) => sum + n, 0) / Math.max(1, Math.min(10, done.length));
    const last = h("div", { class: "card" }, h("b", {}, lately.toFixed(1), h("small", {}, " /s")), h("span", {}, "documents understood"), spark(done, "Documents understood per second, the last minute"));
    fill(tiles, last, tile(count(status.counts.documents), "documents", `${count(status.counts.passages)} passages`),
      tile(count(status.in_flight.length), "in flight", `of at most ${count(value("quire_in_flight_documents_bound"))}`),
      tile(count(status.counts.dead), "given up", status.counts.dead ? h("a", { href: "#/documents?state=dead" }, "why, and once more") : "none"));
    fill(list, stages.map((stage) => stageOf(stage, value, rate)));
    fill(engine, facts(value, rate, status));
    fill(flight, inFlight(status.in_flight));
    before = now;
  });
}

function stageOf(stage, value, rate) {
  const depth = value(`quire_queue_depth/${stage}`);
  const bound = value(`quire_queue_bound/${stage}`);
  const busy = rate(`quire_stage_busy_seconds_total/${stage}`);
  const name = units[stage] || "documents";
  const waiting = depth === 0 ? "no queue" : `${count(depth)} ${name} wait`;
  return h("li", { class: busy > 0.05 || depth > 0 ? "busy" : "" }, h("b", {}, stage),
    h("span", { class: "rate" }, h("em", {}, rate(`quire_stage_documents_total/${stage}`).toFixed(1)), h("small", {}, " /s")),
    h("meter", { min: 0, max: bound || 1, value: depth, "aria-label": `${stage}: ${count(depth)} of ${count(bound)} ${name} wait` }),
    h("small", {}, waiting), h("small", {}, busy > 0.05 ? `${busy.toFixed(1)} workers busy` : "idle"),
    h("small", {}, `${count(value(`quire_stage_documents_total/${stage}`))} since start`));
}

const gpuStates = { compute: "computes", copy: "copies", prepare: "waits for the CPU", gather: "waits for tokens",
  elsewhere: "waits for a thread", no_work: "no work", lost: "lost" };

/** What the GPUs did since the last look, in shares of their time. */
function gpuTime(rate) {
  const rates = Object.entries(gpuStates).map(([state, words]) => [words, rate(`quire_gpu_seconds_total/${state}`)]);
  const all = rates.reduce((sum, [, seconds]) => sum + seconds, 0);
  const shown = rates.filter(([, seconds]) => seconds > 0.005 * all).map(([words, seconds]) => `${words} ${percent(seconds / all)}`);
  return shown.join(", ") || "–";
}

function facts(value, rate, status) {
  const gpus = value("quire_gpus");
  const lanes = ["high", "normal", "low", "retry", "slow"].map((lane) => [lane, value(`quire_lag_documents/${lane}`)]);
  const lag = lanes.filter(([, documents]) => documents > 0);
  const spent = value("quire_document_seconds_count");
  const rows = [
    ["models run on", gpus ? `${gpus} GPU${gpus > 1 ? "s" : ""}` : value("quire_gpu_fallback") ? "CPU (no GPU was found)" : "CPU"],
    ...(gpus ? [["GPU time", gpuTime(rate)]] : []),
    ["tokens", `${count(Math.round(rate("quire_tokens_total")))} /s`],
    ["pages read", `${count(value("quire_pages_total/text-layer") + value("quire_pages_total/ocr"))}, ${count(value("quire_pages_total/ocr"))} by OCR`],
    ["a document took", spent ? `${seconds(value("quire_document_seconds_sum") / spent)} on average, waiting included` : "–"],
    ["lag", lag.length ? [lag.map(([lane, documents]) => chip(`${lane} ${count(documents)}`)), seconds(value("quire_lag_seconds")), " of work"] : "none"],
    ["retried", count(value("quire_documents_total/retried"))],
    ["store", value("quire_store_away") ? chip("away", "fail") : "answers"],
    ["version", status.version],
  ];
  return rows.map(([name, what]) => [h("dt", {}, name), h("dd", {}, what)]);
}

function inFlight(documents) {
  if (!documents.length) return empty("Nothing is under way. Send a file above, or to where documents are read from.");
  const rows = documents.slice(0, 50).map((one) => h("tr", {}, h("td", {}, one.name), h("td", {}, chip(one.stage)),
    h("td", {}, one.pages_total ? [h("progress", { max: one.pages_total, value: one.pages_done, "aria-label": `Pages of ${one.name}` }), h("small", {}, `${one.pages_done} of ${one.pages_total}`)] : "–"),
    h("td", { class: "number" }, since(one.since))));
  return [table(["document", "stage", "pages", "for"], rows, "Documents in flight"),
    documents.length > 50 && h("p", { class: "soft" }, `and ${count(documents.length - 50)} more`)];
}

/* Sending */
function upload() {
  const input = h("input", { type: "file", multiple: true, id: "files", class: "hidden", onchange: () => send(input.files) });
  const sent = h("ul", { class: "sent", "aria-live": "polite", "aria-label": "Sent" });
  async function send(files) {
    // One after the other: the server bounds what it holds in memory, and so does this page.
    for (const file of [...files]) {
      const line = h("li", {}, file.name, " ", h("small", {}, "sending …"));
      sent.prepend(line);
      try {
        const headers = { "content-type": file.type || "application/octet-stream" };
        const answer = await ask(`/v1/documents?filename=${encodeURIComponent(file.name)}`, { method: "POST", body: file, headers });
        const { id } = await answer.json();
        follow(id, file.name, line).catch((error) => failed(line, file.name, error.message));
      } catch (error) {
        failed(line, file.name, error.message);
      }
    }
    input.value = "";
  }
  const box = h("section", { class: "drop card" }, h("h2", {}, "Send documents"),
    h("p", {}, input, h("label", { for: "files", class: "button" }, "Choose files"), " or drop them here"), sent);
  const over = (on) => (event) => { event.preventDefault(); box.classList.toggle("over", on); };
  box.addEventListener("dragover", over(true));
  box.addEventListener("dragleave", over(false));
  box.addEventListener("drop", (event) => { over(false)(event); send(event.dataTransfer.files); });
  return box;
}

const failed = (line, name, reason) => fill(line, name, " ", chip("failed", "fail"), h("small", {}, reason));

/** Follows one document by its server-sent events; those of the browser cannot carry a key. */
async function follow(id, name, line) {
  const reader = (await ask(`${documentPath(id)}/events`)).body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      const event = /^event: ?(.*)$/m.exec(part);
      const data = /^data: ?(.*)$/m.exec(part);
      if (event && data) told(event[1], JSON.parse(data[1]), id, name, line);
    }
  }
}

function told(event, body, id, name, line) {
  if (event === "done") {
    fill(line, link(id, name), " ", chip(body.kind), chip(body.verdict, body.verdict));
    toast(`${name} is understood`);
  } else if (event === "dead") {
    fill(line, link(id, name), " ", chip("given up", "dead"), h("small", {}, body.failure.reason));
  } else {
    const pages = body.pages_total ? `, page ${body.pages_done} of ${body.pages_total}` : "";
    const at = stages.indexOf(body.stage) + (body.pages_total ? body.pages_done / body.pages_total : 0);
    fill(line, name, " ", h("small", {}, `${body.stage || "waiting"}${pages}`),
      h("progress", { max: stages.length, value: Math.max(0, at), "aria-label": `${name}: ${percent(Math.max(0, at) / stages.length)}` }));
  }
}
