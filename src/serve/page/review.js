// The queue of doubtful documents, and deciding about one.

import { askAgain, choices } from "./again.js";
import { askName, card, chip, choice, documentPath, empty, every100, exports, fill, get, h, link, main, memory, percent, plain, post, reviewPath, show, since, table, toast, turn, typing, when, words } from "./base.js";
import { checks, duplicates, entities, summary, timeline, tone } from "./findings.js";
import { finds, forget, sheets } from "./sheets.js";

const STEP = 50;
/** The most rows that are saved at once. */
const MOST = 10000;
const to = (id) => `#/review/${encodeURIComponent(id)}`;

function badge(number) {
  const box = document.getElementById("open-count");
  box.hidden = !number;
  fill(box, number >= 100 ? "99+" : String(number), h("span", { class: "unseen" }, " waiting"));
}

/** Says beside "Review" how many wait. */
export const count = () => get("/v1/reviews?limit=100").then(({ reviews }) => badge(reviews.length)).catch(() => {});

/* Who decides, where no keys say it */
const who = () => (localStorage.getItem("who") || "").trim();
const by = () => (who() ? { by: who() } : {});

export async function queue(query) {
  const kind = query.get("kind") || "";
  const offset = Number(query.get("offset") || 0);
  const filter = kind && `kind=${encodeURIComponent(kind)}&`;
  const [{ reviews }, { reviews: decided }, { kinds }] = await Promise.all([
    get(`/v1/reviews?${filter}limit=${STEP}&offset=${offset}`), get(`/v1/reviews?${filter}state=decided,closed&limit=10`), choices()]);
  count();
  const at = (of, first) => `#/review?${new URLSearchParams({ ...(of && { kind: of }), ...(first && { offset: first }) })}`;
  memory.key = (event) => {
    if (event.key !== "n" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return false;
    askForMe();
    return true;
  };
  const head = h("div", { class: "row" }, h("h2", { class: "grow" }, "Waiting"),
    choice("kind", Object.keys(kinds), kind, (value) => { location.hash = at(value); }),
    reviews.length > 0 && exports("reviews", async () => (await every100(`/v1/reviews?${filter}`, "reviews", MOST)).map(flat)));
  show(h("div", { class: "title" }, h("h1", {}, "Review"), reviews.length > 0 && h("button", { class: "main", onclick: askForMe }, "Next for me (n)")),
    h("p", { class: "lead" }, "Documents that the program is not sure about: the most urgent first, then those that wait longest."),
    card(null, head, reviews.length ? table(["document", "kind", "why", "priority", "waits", "with"], reviews.map(row), "Waiting for review") : empty("Nothing waits for you."),
      turn(offset, reviews.length, STEP, (first) => at(kind, first), ["more urgent", "later"])),
    decided.length > 0 && card(null, h("div", { class: "row" }, h("h2", { class: "grow" }, "Decided"),
      exports("decided-reviews", async () => (await every100(`/v1/reviews?${filter}state=decided,closed&`, "reviews", MOST)).map(flat))),
    table(["document", "kind", "why", "priority", "since", "decision"], decided.map(row), "Decided")));
}

/** Takes on the next review that fits whoever asks, and shows it; the queue, where none does. Whoever has gone elsewhere meanwhile stays there. */
async function forMe(none = () => {}) {
  const here = location.hash;
  const go = (hash) => { if (location.hash === here) location.hash = hash; };
  try {
    go(to((await post("/v1/reviews/next", by())).id));
  } catch (error) {
    if (error.status !== 404) throw error;
    none();
    go("#/review");
  }
}
const askForMe = () => forMe(() => toast("Nothing waits that fits and that nobody works on.")).catch((error) => toast(error.message));

const row = (one) => h("tr", {}, h("td", { class: "name" }, h("a", { href: to(one.id) }, one.name)), h("td", {}, one.kind),
  h("td", { class: "summary" }, one.reasons.join("; ") || "a sample"), h("td", {}, chip(one.priority, one.priority)), h("td", { class: "number" }, since(one.opened_at)),
  h("td", {}, one.decision ? chip(`${one.decision.action} · ${one.decision.by}`, one.decision.action) : one.claim ? one.claim.by : "–"));

const flat = (one) => ({ id: one.id, name: one.name, kind: one.kind, state: one.state, priority: one.priority, opened_at: one.opened_at, reasons: one.reasons.join("; "), with: one.claim?.by ?? "",
  decision: one.decision?.action ?? "", by: one.decision?.by ?? "", decided_at: one.decision?.at ?? "", seconds: one.decision?.seconds ?? null });

export async function review(id) {
  const [state, first, { kinds }] = await Promise.all([get(documentPath(id)), get(reviewPath(id)), choices()]);
  const doc = state.document;
  if (!doc) { show(h("h1", {}, id), empty("The document is not stored at the moment.")); return; }
  forget();
  new Decision(doc, first, kinds).draw();
}

/** One review on the screen: what was seen of it, and what the person changed so far. */
class Decision {
  constructor(doc, seen, kinds) {
    this.doc = doc;
    this.kinds = kinds;
    this.seen = seen;
    this.status = h("p", { class: "lead", role: "status" });
    this.history = h("section", { class: "card" });
    this.approve = h("button", { class: "main", onclick: () => this.decide() }, "Approve (a)");
    this.urgency = h("select", { id: "priority", onchange: () => this.change("priority", { priority: this.urgency.value }) }, ["high", "normal", "low"].map((value) => h("option", { value }, value)));
    this.comment = h("textarea", { id: "comment", rows: 1, placeholder: "Comment (optional)", "aria-label": "Comment" });
    this.kind = this.input("kind", doc.kind.label, { list: "kinds" });
    this.texts = new Map();
    this.added = [];
  }

  draw() {
    const { doc } = this;
    const form = h("section", { class: "card" }, h("h2", {}, "Why a person should look"),
      this.seen.reasons.length ? h("ul", { class: "reasons" }, this.seen.reasons.map((reason) => h("li", {}, reason))) : h("p", { class: "soft" }, "A sample, to check what is not doubted."),
      h("datalist", { id: "kinds" }, Object.keys(this.kinds).map((value) => h("option", { value }))),
      h("div", { class: "entry" }, h("label", { for: "kind" }, "kind"), this.kind, chip(percent(doc.kind.confidence))), this.fields(), this.missing(), this.text(), this.bar());
    show(h("h1", {}, doc.name), this.status, h("div", { class: "split" }, sheets(doc), h("div", { class: "findings" }, form, this.history,
      checks(doc), summary(doc), entities(doc), tone(doc), duplicates(doc), timeline(doc))));
    this.told();
    memory.key = (event) => this.key(event);
    (main.querySelector("input[data-name]") || this.kind).focus({ preventScroll: true });
  }

  /** An input that remembers what it was and says when it is changed. */
  input(id, value, more) {
    const input = h("input", { id, value, "data-was": value, autocomplete: "off", ...more, oninput: () => this.changed(input) });
    return input;
  }

  /** The fields, the doubtful ones first, so that Tab goes through those. */
  fields() {
    const doubt = (field) => ({ invalid: 0, doubtful: 1, valid: 2 })[field.validity] + field.confidence / 10;
    return [...(this.doc.fields || [])].sort((a, b) => doubt(a) - doubt(b)).map((field, index) => {
      const id = `field-${index}`;
      const reasons = field.reasons.length > 0 && h("small", { id: `${id}-why`, class: "why" }, field.reasons.join("; "));
      const input = finds(this.input(id, plain(field.value), { "data-name": field.name, "aria-describedby": reasons ? `${id}-why` : null }), [field]);
      return h("div", { class: "entry" }, h("label", { for: id, title: field.name }, words(field.name)), input, chip(`${field.validity} ${percent(field.confidence)}`, field.validity), reasons);
    });
  }

  /** A field that was not found: one of its kind that is looked for, or any other. */
  missing() {
    const found = new Set((this.doc.fields || []).map((field) => field.name));
    const names = Object.keys(this.kinds[this.doc.kind.label] || {}).filter((name) => !found.has(name));
    const box = h("div");
    const add = () => {
      const number = box.childNodes.length;
      const name = this.input(`added-name-${number}`, "", { list: "missing", placeholder: "name", "aria-label": "Name of the added field", maxlength: 200 });
      const value = this.input(`added-${number}`, "", { placeholder: "value", "aria-label": "Value of the added field" });
      this.added.push([name, value]);
      box.append(h("div", { class: "entry" }, name, value));
      name.focus();
    };
    return h("div", {}, h("datalist", { id: "missing" }, names.map((value) => h("option", { value }))), box,
      h("button", { class: "quiet", onclick: add }, "Add a field"));
  }

  /** The text of each page, for what was misread. */
  text() {
    const characters = Array.from(this.doc.text);
    const box = h("div");
    const open = () => {
      if (box.childNodes.length) return;
      fill(box, this.doc.pages.slice(0, 20).map((page) => {
        const was = characters.slice(page.start, page.end).join("");
        const area = h("textarea", { rows: 8, "aria-label": `Text of page ${page.number}`, oninput: () => { this.texts.set(page.number, area.value === was ? null : area.value); this.changed(area, area.value !== was); } });
        area.value = was;
        return area;
      }));
    };
    return h("details", { ontoggle: open }, h("summary", {}, "Correct the text"), box);
  }

  bar() {
    const open = this.seen.state === "open";
    const name = h("input", { id: "who", value: who(), placeholder: "your name", autocomplete: "off", onchange: () => localStorage.setItem("who", name.value.trim()) });
    const back = h("button", { class: "main", onclick: () => { this.remember(this.seen); takeBack(); } }, "Take the decision back (u)");
    return h("div", { class: "decide" }, this.comment, h("div", { class: "row" },
      open ? [this.approve, h("button", { class: "danger", onclick: () => this.decide("reject") }, "Reject (x)"), h("button", { onclick: () => this.again() }, "Read again …")] : back),
    h("div", { class: "row" }, h("label", { for: "who" }, "as"), name, open && [ h("button", { class: "quiet", onclick: () => this.claim(), id: "claim" }, "Claim"),
      h("button", { class: "quiet", onclick: () => this.handOver() }, "Hand over …"), h("span", { class: "filter" }, h("label", { for: "priority" }, "priority"), this.urgency)],
      h("button", { class: "quiet", onclick: () => this.say() }, "Only comment")));
  }

  /** That this decision can be taken back: this one, and none that somebody makes later. */
  remember({ version }) {
    memory.undo = { id: this.doc.id, name: this.doc.name, asked: { ...by(), version } };
  }

  /** Who works on it, as long as that lasts. */
  held() {
    const { claim } = this.seen;
    return claim && new Date(claim.until) > new Date() ? claim : null;
  }

  /** Takes it on, or gives it back. */
  claim() {
    return this.change(this.held() ? "release" : "claim");
  }

  /** Shows what is known of the review by now. */
  told() {
    const { seen } = this;
    const held = this.held();
    if (seen.state !== "open") this.remember(seen);
    fill(this.status, chip(seen.state), seen.priority !== "normal" && chip(seen.priority, seen.priority),
      held && chip(`with ${held.by} until ${new Date(held.until).toLocaleTimeString("en-GB", { timeStyle: "short" })}`),
      seen.decision && chip(`${seen.decision.action} by ${seen.decision.by}`, seen.decision.action),
      h("a", { href: "#/review" }, "The queue"), " · ", link(this.doc.id, "The document"));
    this.urgency.value = seen.priority;
    const claim = document.getElementById("claim");
    if (claim) claim.textContent = held ? "Release (c)" : "Claim (c)";
    fill(this.history, h("h2", {}, "History"), seen.comments.map((said) => h("p", {}, h("b", {}, said.by), ": ", said.text)),
      h("ol", { class: "history" }, seen.history.map((entry) => h("li", {}, `${entry.what} by ${entry.by}${entry.detail ? `, ${entry.detail}` : ""} `, h("small", {}, when(entry.at))))));
  }

  changed(input, is = input.value !== input.dataset.was) {
    input.classList.toggle("changed", is);
    this.approve.textContent = Object.keys(this.corrections()).length ? "Save corrections (a)" : "Approve (a)";
  }

  corrections() {
    const all = {};
    if (this.kind.value !== this.kind.dataset.was) all.kind = this.kind.value.trim();
    const changed = [...main.querySelectorAll("input[data-name]")].filter((input) => input.value !== input.dataset.was);
    const added = this.added.map((pair) => pair.map((input) => input.value.trim())).filter(([name, value]) => name && value);
    const forms = this.kinds[all.kind || this.doc.kind.label] || {};
    const fields = [...changed.map((input) => [input.dataset.name, input.value.trim() || null]), ...added.map(([name, value]) => [name, typed(forms[name], value)])];
    if (fields.length) all.fields = Object.fromEntries(fields);
    const texts = [...this.texts].filter(([, text]) => text !== null);
    if (texts.length) all.text = Object.fromEntries(texts);
    return all;
  }

  async again() {
    const options = await askAgain(this.doc);
    if (options) await this.decide("reprocess", false, options);
  }

  async decide(action, sure = false, options = {}) {
    const corrections = action ? {} : this.corrections();
    action ||= Object.keys(corrections).length ? "correct" : "approve";
    const { doc } = this, here = location.hash;
    try {
      const decided = await post(`${reviewPath(doc.id)}/decision`, { ...by(), action, version: this.seen.version, corrections, comment: this.comment.value.trim() || null, sure, options });
      this.remember(decided);
      toast(`${doc.name}: ${action}`, { name: "Undo (u)", run: takeBack });
      count();
      if (location.hash === here) await forMe();
    } catch (error) {
      if (error.kind === "checks-fail") toast(error.message, { name: "Save all the same", run: () => this.decide(action, true) });
      else if (error.kind === "stale") this.stale();
      else toast(error.message);
    }
  }

  /** Somebody else changed it: what was typed stays, what is known is made anew. */
  async stale() {
    this.seen = await get(reviewPath(this.doc.id));
    this.told();
    toast("Somebody changed this review meanwhile: look at its history, then try again");
  }

  /** Changes the review that is seen; true where that was done. */
  async change(what, more = {}) {
    try {
      this.seen = await post(`${reviewPath(this.doc.id)}/${what}`, { ...by(), version: this.seen.version, ...more });
      this.told();
      return true;
    } catch (error) {
      if (error.kind === "stale") await this.stale();
      else {
        this.told();
        toast(error.message);
      }
      return false;
    }
  }

  async handOver() {
    const name = await askName(`Who shall decide about ${this.doc.name}?`, "name", "Hand it over");
    if (name) await this.change("hand-over", { to: name });
  }

  async say() {
    const text = this.comment.value.trim();
    if (!text) { this.comment.focus(); return; }
    if (await this.change("comment", { text })) this.comment.value = "";
  }

  /** The keys of this view; true where one was meant. */
  key(event) {
    if (this.seen.state !== "open") return false;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.decide();
    else if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return false;
    else if (event.key === "a") this.decide();
    else if (event.key === "x") this.decide("reject");
    else if (event.key === "c") this.claim();
    else return false;
    return true;
  }
}

/** A value as the type that a field is read as, where it can be; else as it is written. */
function typed(form, text) {
  const [amount, currency = null] = text.split(" ");
  if (form === "date" && /^\d{4}-\d\d-\d\d$/.test(text)) return { type: "date", value: text };
  if (!/^-?\d+(\.\d+)?$/.test(amount)) return text;
  if (form === "amount" && /^\S+( [A-Z]{3})?$/.test(text)) return { type: "amount", value: { amount, currency } };
  return form === "number" && currency === null ? { type: "number", value: amount } : text;
}

/** Takes the last decision back, if it is still the last one. */
export async function takeBack() {
  if (!memory.undo) return;
  const { id, name, asked } = memory.undo;
  memory.undo = null;
  try {
    await post(`${reviewPath(id)}/reopen`, asked);
    toast("The decision is taken back");
    if (location.hash === to(id)) window.dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = to(id);
  } catch (error) {
    toast(error.kind === "stale" ? `Somebody changed the review of ${name} meanwhile: look at it first` : error.message);
  }
}
