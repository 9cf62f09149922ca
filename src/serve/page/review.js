// The queue of doubtful documents, and deciding about one.

import { askAgain, choices } from "./again.js";
import { card, chip, documentPath, empty, exports, fill, get, h, link, main, memory, percent, plain, post, reviewPath, show, since, table, toast, typing, when, words } from "./base.js";
import { checks, duplicates, entities, summary, timeline, tone } from "./findings.js";
import { finds, forget, sheets } from "./sheets.js";

const kinds = ["invoice", "receipt", "letter", "email", "contract", "resume", "statement", "report", "form", "article", "presentation", "spreadsheet", "notice", "other"];
const to = (id) => `#/review/${encodeURIComponent(id)}`;

/** The number beside "Review" above. */
export function badge(number) {
  const box = document.getElementById("open-count");
  box.hidden = !number;
  fill(box, number >= 100 ? "99+" : String(number), h("span", { class: "unseen" }, " waiting"));
}

/* Who decides, where no keys say it */
const who = () => (localStorage.getItem("who") || "").trim();
const by = () => (who() ? { by: who() } : {});

export async function queue(query) {
  const kind = query.get("kind") || "";
  const filter = kind && `&kind=${encodeURIComponent(kind)}`;
  const [{ reviews }, { reviews: decided }] = await Promise.all([
    get(`/v1/reviews?limit=100${filter}`), get(`/v1/reviews?state=decided,closed&limit=10${filter}`)]);
  if (!kind) badge(reviews.length);
  const choice = h("select", { id: "kind", onchange: () => { location.hash = choice.value ? `#/review?kind=${choice.value}` : "#/review"; } },
    h("option", { value: "" }, "all"), kinds.map((value) => h("option", { value, selected: value === kind }, value)));
  memory.key = (event) => {
    if (event.key !== "n" || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return false;
    askForMe();
    return true;
  };
  const head = h("div", { class: "row" }, h("h2", { class: "grow" }, `Waiting (${reviews.length >= 100 ? "100 and more" : reviews.length})`),
    h("label", { for: "kind" }, "kind"), choice, reviews.length > 0 && exports("reviews", async () => reviews.map(flat)));
  show(h("div", { class: "title" }, h("h1", {}, "Review"), reviews.length > 0 && h("button", { class: "main", onclick: askForMe }, "Next for me (n)")),
    h("p", { class: "lead" }, "Documents that the program is not sure about: the most urgent first, then those that wait longest."),
    card(null, head, reviews.length ? table(["document", "kind", "why", "priority", "waits", "with"], reviews.map(row), "Waiting for review") : empty("Nothing waits for you.")),
    decided.length > 0 && card("Decided", table(["document", "kind", "why", "priority", "since", "decision"], decided.map(row), "Decided")));
}

/** Takes on the next review that fits whoever asks, and shows it; the queue, where none does. */
async function forMe(none = () => {}) {
  try {
    location.hash = to((await post("/v1/reviews/next", by())).id);
  } catch (error) {
    if (error.status !== 404) throw error;
    none();
    location.hash = "#/review";
  }
}
const askForMe = () => forMe(() => toast("Nothing waits that fits and that nobody works on.")).catch((error) => toast(error.message));

const row = (one) => h("tr", {}, h("td", { class: "name" }, h("a", { href: to(one.id) }, one.name)), h("td", {}, one.kind),
  h("td", { class: "summary" }, one.reasons.join("; ") || "a sample"), h("td", {}, chip(one.priority, one.priority)), h("td", { class: "number" }, since(one.opened_at)),
  h("td", {}, one.decision ? chip(`${one.decision.action} · ${one.decision.by}`, one.decision.action) : one.claim ? one.claim.by : "–"));

const flat = (one) => ({ id: one.id, name: one.name, kind: one.kind, state: one.state, priority: one.priority, opened_at: one.opened_at, reasons: one.reasons.join("; "), with: one.claim?.by ?? "" });

export async function review(id) {
  const [state, first] = await Promise.all([get(documentPath(id)), get(reviewPath(id))]);
  const doc = state.document;
  if (!doc) { show(h("h1", {}, id), empty("The document is not stored at the moment.")); return; }
  forget();
  new Decision(doc, first).draw();
}

/** One review on the screen: what was seen of it, and what the person changed so far. */
class Decision {
  constructor(doc, seen) {
    this.doc = doc;
    this.seen = seen;
    this.status = h("p", { class: "lead", role: "status" });
    this.history = h("section", { class: "card" });
    this.approve = h("button", { class: "main", onclick: () => this.decide() }, "Approve (a)");
    this.comment = h("textarea", { id: "comment", rows: 1, placeholder: "Comment (optional)", "aria-label": "Comment" });
    this.kind = this.input("kind", doc.kind.label, { list: "kinds" });
    this.texts = new Map();
  }

  draw() {
    const { doc } = this;
    const form = h("section", { class: "card" }, h("h2", {}, "Why a person should look"),
      this.seen.reasons.length ? h("ul", { class: "reasons" }, this.seen.reasons.map((reason) => h("li", {}, reason))) : h("p", { class: "soft" }, "A sample, to check what is not doubted."),
      h("datalist", { id: "kinds" }, kinds.map((value) => h("option", { value }))),
      h("div", { class: "entry" }, h("label", { for: "kind" }, "kind"), this.kind, chip(percent(doc.kind.confidence))), this.fields(), this.text(), this.bar());
    show(h("h1", {}, doc.name), this.status, h("div", { class: "split" }, sheets(doc), h("div", { class: "findings" }, form, this.history,
      checks(doc), summary(doc), entities(doc), tone(doc), duplicates(doc), timeline(doc))));
    this.told();
    memory.key = (event) => this.key(event);
    if (this.seen.state !== "open") memory.undo = { id: doc.id, by: by() };
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
    const back = h("button", { class: "main", onclick: () => { memory.undo = { id: this.doc.id, by: by() }; takeBack(); } }, "Take the decision back (u)");
    return h("div", { class: "decide" }, this.comment, h("div", { class: "row" },
      open ? [this.approve, h("button", { class: "danger", onclick: () => this.decide("reject") }, "Reject (x)"), h("button", { onclick: () => this.again() }, "Read again …")] : back),
    h("div", { class: "row" }, h("label", { for: "who" }, "as"), name, open && [ h("button", { class: "quiet", onclick: () => this.change(this.seen.claim ? "release" : "claim"), id: "claim" }, "Claim"),
      h("button", { class: "quiet", onclick: () => this.say() }, "Only comment"),
      h("button", { class: "quiet", onclick: () => this.change("priority", { priority: "high" }) }, "Urgent")]));
  }

  /** Shows what is known of the review by now. */
  told() {
    const { seen } = this;
    fill(this.status, chip(seen.state), seen.priority !== "normal" && chip(seen.priority, seen.priority),
      seen.claim && chip(`with ${seen.claim.by} until ${new Date(seen.claim.until).toLocaleTimeString("en-GB", { timeStyle: "short" })}`),
      seen.decision && chip(`${seen.decision.action} by ${seen.decision.by}`, seen.decision.action),
      h("a", { href: "#/review" }, "The queue"), " · ", link(this.doc.id, "The document"));
    const claim = document.getElementById("claim");
    if (claim) claim.textContent = seen.claim ? "Release (c)" : "Claim (c)";
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
    if (changed.length) all.fields = Object.fromEntries(changed.map((input) => [input.dataset.name, input.value.trim() || null]));
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
    const { doc } = this;
    try {
      await post(`${reviewPath(doc.id)}/decision`, { ...by(), action, version: this.seen.version, corrections, comment: this.comment.value.trim() || null, sure, options });
      memory.undo = { id: doc.id, by: by() };
      toast(`${doc.name}: ${action}`, { name: "Undo (u)", run: takeBack });
      get("/v1/reviews?limit=100").then(({ reviews }) => badge(reviews.length)).catch(() => {});
      await forMe();
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
    toast("Somebody changed this review meanwhile: look at its history, then decide again");
  }

  async change(what, more = {}) {
    try {
      this.seen = await post(`${reviewPath(this.doc.id)}/${what}`, { ...by(), ...more });
      this.told();
    } catch (error) {
      toast(error.message);
    }
  }

  async say() {
    const text = this.comment.value.trim();
    if (!text) { this.comment.focus(); return; }
    await this.change("comment", { text });
    this.comment.value = "";
  }

  /** The keys of this view; true where one was meant. */
  key(event) {
    if (this.seen.state !== "open") return false;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.decide();
    else if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return false;
    else if (event.key === "a") this.decide();
    else if (event.key === "x") this.decide("reject");
    else if (event.key === "c") this.change(this.seen.claim ? "release" : "claim");
    else return false;
    return true;
  }
}

/** Takes the last decision back. */
export async function takeBack() {
  if (!memory.undo) return;
  const { id, by: name } = memory.undo;
  memory.undo = null;
  try {
    await post(`${reviewPath(id)}/reopen`, name);
    toast("The decision is taken back");
    if (location.hash === to(id)) window.dispatchEvent(new HashChangeEvent("hashchange"));
    else location.hash = to(id);
  } catch (error) {
    toast(error.message);
  }
}
