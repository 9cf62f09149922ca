// The page. Plain modules of the browser, no framework: it asks the API below /v1 and draws what it
// hears. Everything from documents goes in as text nodes, never as markup. Here: ways and keys.

import { h, main, memory, show, typing } from "./base.js";
import { one as oneDocument } from "./document.js";
import { documents } from "./documents.js";
import { flow } from "./flow.js";
import { reports } from "./reports.js";
import { count, queue, review, takeBack } from "./review.js";
import { search } from "./search.js";

const views = {
  "": { title: "Flow", list: flow },
  documents: { title: "Documents", list: documents, one: oneDocument },
  search: { title: "Search", list: search },
  review: { title: "Review", list: queue, one: review },
  reports: { title: "Reports", list: reports },
};

async function route() {
  memory.leave();
  memory.left.abort();
  Object.assign(memory, { leave: () => {}, left: new AbortController(), key: () => false });
  const { signal } = memory.left;
  const [path, query] = location.hash.replace(/^#/, "").split("?");
  const [, section = "", id] = path.split("/");
  const view = views[section] || views[""];
  for (const item of document.querySelectorAll("nav a")) {
    const current = item.getAttribute("href") === `#/${section}`;
    if (current) {
      item.setAttribute("aria-current", "page");
      item.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    else item.removeAttribute("aria-current");
  }
  document.title = `${view.title} · quire`;
  main.setAttribute("aria-busy", "true");
  try {
    if (id && view.one) await view.one(decodeURIComponent(id));
    else await view.list(new URLSearchParams(query || ""));
  } catch (error) {
    if (!signal.aborted) show(h("h1", {}, "That did not work"), h("p", { class: "empty", role: "alert" }, error.message));
  }
  if (!signal.aborted) main.removeAttribute("aria-busy");
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") event.target.blur?.();
  if (document.querySelector("dialog[open]")) return;
  if (memory.key(event)) {
    event.preventDefault();
    return;
  }
  const busy = event.ctrlKey || event.metaKey || event.altKey;
  if (busy || typing(event.target)) return;
  const rows = [...main.querySelectorAll("tbody tr, .hit")];
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const move = (to) => {
    rows[at]?.classList.remove("at");
    rows[to]?.classList.add("at");
    rows[to]?.querySelector("a, button")?.focus();
  };
  if (event.key === "/") {
    location.hash = "#/search";
    document.getElementById("q")?.select();
  } else if (event.key === "?") document.getElementById("help").showModal();
  else if (event.key === "j") move(Math.min(at + 1, rows.length - 1));
  else if (event.key === "k") move(Math.max(at - 1, 0));
  else if (event.key === "[") main.querySelector("button.back")?.click();
  else if (event.key === "]") main.querySelector("button.next")?.click();
  else if (event.key === "u") takeBack();
  else if (/^[1-5]$/.test(event.key)) location.hash = document.querySelector(`nav a[data-key="${event.key}"]`).getAttribute("href");
  else return;
  event.preventDefault();
});
document.getElementById("help-button").addEventListener("click", () => document.getElementById("help").showModal());
window.addEventListener("hashchange", route);
route();
count();
