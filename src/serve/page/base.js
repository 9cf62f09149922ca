// What every view uses: elements, numbers and times in words, the API, tables, downloads.

export const main = document.getElementById("main");

/** What the page remembers between views: what to stop on leaving, what the open view's questions
 * listen to, its own keys, and the decision to take back. */
export const memory = { leave: () => {}, left: new AbortController(), key: () => false, undo: null };

const drawn = new Set(["svg", "rect", "text", "g", "title", "line", "path", "polyline", "circle"]);

/** An element: h("td", {class: "x", onclick: f}, "text", child). Text is never read as markup. */
export function h(name, attributes = {}, ...children) {
  const element = drawn.has(name)
    ? document.createElementNS("http://www.w3.org/2000/svg", name)
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  const kept = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...kept);
  return element;
}

export const show = (...children) => main.replaceChildren(...children.flat(Infinity).filter(Boolean));
export const fill = (box, ...children) => box.replaceChildren(...children.flat(Infinity).filter(Boolean));

/* Words for numbers and times */
export const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`);
export const count = (number) => Number(number).toLocaleString("en");
export const when = (time) => new Date(time).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
export const day = (time) => new Date(time).toISOString().slice(0, 10);

export function seconds(number) {
  if (number < 0.0995) return `${Math.max(0, number * 1000).toFixed(number < 0.01 ? 1 : 0)} ms`;
  if (number < 90) return `${number.toFixed(number < 10 ? 1 : 0)} s`;
  if (number < 5400) return `${Math.round(number / 60)} min`;
  return number < 172800 ? `${Math.round(number / 3600)} h` : `${Math.round(number / 86400)} d`;
}
export const since = (time) => seconds(Math.max(0, Math.round((Date.now() - new Date(time)) / 1000)));

export function bytes(number) {
  if (number < 1024) return `${number} bytes`;
  const kilo = number / 1024;
  return kilo < 1024 ? `${kilo.toFixed(kilo < 10 ? 1 : 0)} KB` : `${(kilo / 1024).toFixed(1)} MB`;
}

/** The value of a field as a person would write it. */
export function plain(value) {
  if (!value || typeof value !== "object") return String(value ?? "");
  const inner = value.value;
  if (value.type === "amount") return [inner.amount, inner.currency].filter(Boolean).join(" ");
  return String(inner ?? "");
}

/** `due_date` and `lines[0].amount` as words. */
export const words = (name) => name.replace(/[_.]/g, " ").replace(/\[(\d+)\]/g, (_, number) => ` ${Number(number) + 1}`);

/* Small pieces */
export const chip = (text, extra = "") => h("span", { class: `chip ${extra}`, title: text }, text);
export const link = (id, name) => h("a", { href: `#/documents/${encodeURIComponent(id)}` }, name);
export const card = (title, ...children) => h("section", { class: "card" }, title && h("h2", {}, title), ...children);
export const tile = (value, name, extra) =>
  h("div", { class: "card" }, h("b", {}, value), h("span", {}, name), extra && h("small", {}, extra));
export const empty = (...text) => h("p", { class: "empty" }, ...text);

export function table(heads, rows, label) {
  const head = h("tr", {}, heads.map((name) => h("th", { scope: "col", class: name === "pages" && "number" }, name)));
  const body = h("table", {}, h("thead", {}, head), h("tbody", {}, rows));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, body);
}

const toastBox = document.getElementById("toast");
let fading;
export function toast(text, action) {
  const close = () => toastBox.replaceChildren();
  const button = action && h("button", { onclick: () => { close(); action.run(); } }, action.name);
  fill(toastBox, h("div", {}, text, button));
  clearTimeout(fading);
  fading = setTimeout(close, action ? 12000 : 5000);
}

/* The API. A key is asked for once a session where keys are set. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  const key = sessionStorage.getItem("key");
  if (key) headers.authorization = `Bearer ${key}`;
  if (options.json) headers["content-type"] = "application/json";
  const body = options.json ? { method: "POST", body: JSON.stringify(options.json) } : {};
  const answer = await fetch(path, { ...options, ...body, headers }).catch((error) => {
    // A view that was left is no fault; all else that has no answer is.
    throw error.name === "AbortError" ? error : new Error("quire does not answer at this address: is it running?");
  });
  if (answer.status === 401) {
    await needKey(key);
    return ask(path, options);
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    const error = new Error([problem.detail || answer.statusText, problem.remedy].filter(Boolean).join(": "));
    error.kind = (problem.type || "").split(":").pop();
    error.status = answer.status;
    throw error;
  }
  return answer;
}
/** Of the view that is open: leaving it ends the question, so that a late answer draws nothing. */
export const get = async (path) => (await ask(path, { signal: memory.left.signal })).json();
export const post = async (path, json = {}) => (await ask(path, { json })).json();
export const documentPath = (id) => `/v1/documents/${encodeURIComponent(id)}`;
export const reviewPath = (id) => `/v1/reviews/${encodeURIComponent(id)}`;

let keyed = null;
function needKey(refused) {
  // Another question has got a key meanwhile.
  if (!keyed && refused !== sessionStorage.getItem("key")) return Promise.resolve();
  const dialog = document.getElementById("key");
  document.getElementById("key-wrong").hidden = !refused;
  if (!keyed) document.getElementById("key-input").value = "";
  keyed ??= new Promise((done) => {
    dialog.addEventListener("close", () => {
      sessionStorage.setItem("key", document.getElementById("key-input").value);
      keyed = null;
      done();
    }, { once: true });
    dialog.showModal();
  });
  return keyed;
}

/** Whether a key that is pressed there is text. */
export const typing = (target) => ["TEXTAREA", "SELECT"].includes(target.tagName) || (target.tagName === "INPUT" && target.type !== "checkbox");

/** A name that is asked for; empty where it is left. */
export function askName(question, label, yes) {
  return new Promise((done) => {
    const input = h("input", { id: "asked", autocomplete: "off", maxlength: 80, required: true });
    const dialog = h("dialog", { "aria-label": question }, h("p", {}, question),
      h("form", { method: "dialog" }, h("div", { class: "entry" }, h("label", { for: "asked" }, label), input),
        h("div", { class: "row end" }, h("button", { value: "no", formnovalidate: true }, "Leave it"), h("button", { value: "yes", class: "main" }, yes))));
    dialog.addEventListener("close", () => { dialog.remove(); done(dialog.returnValue === "yes" ? input.value.trim() : ""); }, { once: true });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}

/** A choice of one value, with what it filters before it. */
export function choice(name, values, now, change, title = name) {
  const list = values.includes(now) || !now ? values : [...values, now];
  const box = h("select", { id: name, onchange: () => change(box.value) },
    h("option", { value: "" }, "all"), list.map((value) => h("option", { value, selected: value === now }, value)));
  return h("span", { class: "filter" }, h("label", { for: name }, title), box);
}

/** Rows `from` on of a list that the API gives by `limit` and `offset`: `path` ends in ? or &. */
export async function every100(path, name, most) {
  const rows = [];
  while (rows.length < most) {
    const page = (await get(`${path}limit=100&offset=${rows.length}`))[name];
    rows.push(...page);
    if (page.length < 100) break;
  }
  return rows.slice(0, most);
}

/** Links to the rows before and after those that are shown; `to` gives the way to a first row. */
export const turn = (offset, shown, step, to, [before, after]) => h("div", { class: "row" },
  offset > 0 && h("a", { href: to(Math.max(0, offset - step)) }, `← ${before}`),
  shown > 0 && h("small", { class: "grow" }, `${count(offset + 1)} to ${count(offset + shown)}`),
  shown === step && h("a", { href: to(offset + step) }, `${after} →`));

/** A yes or no, on the page. */
export function sure(question, yes) {
  return new Promise((done) => {
    const dialog = h("dialog", { "aria-label": question },
      h("p", {}, question),
      h("form", { method: "dialog", class: "row end" },
        h("button", { value: "no" }, "Leave it"), h("button", { value: "yes", class: "danger" }, yes)));
    dialog.addEventListener("close", () => { dialog.remove(); done(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Runs again and again while the view is open and the page is looked at; gives what ends it. */
export function every(milliseconds, run) {
  let on = true;
  let failed = false;
  const turn = async () => {
    if (!on) return;
    if (!document.hidden) {
      try {
        await run();
        failed = false;
      } catch (error) {
        if (on && !failed) toast(error.message);
        failed = true;
      }
    }
    if (on) setTimeout(turn, milliseconds);
  };
  turn();
  return () => { on = false; };
}

/* What is seen, as a file */
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const anchor = h("a", { href: address, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Rows of one shape as CSV (RFC 4180). A leading = + - @ is disarmed: a table program would run it. */
export function csv(rows) {
  const names = Object.keys(rows[0] || {});
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const lines = rows.map((row) => names.map((name) => cell(row[name])).join(","));
  return [names.join(","), ...lines, ""].join("\r\n");
}

/** Two buttons: what `rows` gives as CSV and as JSON. */
export function exports(name, rows) {
  const give = async (ending) => {
    try {
      const found = await rows();
      if (ending === "csv") save(`${name}.csv`, "text/csv", csv(found));
      else save(`${name}.json`, "application/json", JSON.stringify(found, null, 2));
      toast(`${count(found.length)} rows saved`);
    } catch (error) {
      toast(error.message);
    }
  };
  const button = (ending) =>
    h("button", { class: "quiet", onclick: () => give(ending), "aria-label": `Export ${name} as ${ending.toUpperCase()}` }, ending.toUpperCase());
  return h("span", { class: "exports" }, h("small", {}, "Export "), button("csv"), button("json"));
}
