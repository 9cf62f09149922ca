// Asks how a document is to be read again.

import { get, h } from "./base.js";

let known = null;
/** Kinds, languages and engines that there are: asked for once. */
export const choices = async () => (known ??= await get("/v1/choices").catch(() => ({ kinds: {}, languages: [], engines: [] })));

const names = { tesseract: "Tesseract", ppocr: "PP-OCR", auto: "Tesseract, PP-OCR where it is in doubt" };

/** What a person chooses, as the API takes it; null where nothing is to be done. */
export async function askAgain(doc) {
  const { kinds, languages, engines } = await choices();
  const before = doc.options || {};
  const entry = (id, label, field) => h("div", { class: "entry" }, h("label", { for: id }, label), field);
  const select = (id, first, values, now) => h("select", { id },
    h("option", { value: "" }, first), values.map(([value, text]) => h("option", { value, selected: value === now }, text)));
  const kind = h("input", { id: "again-kind", list: "again-kinds", placeholder: "as it is told", maxlength: 80, autocomplete: "off", value: before.kind || null });
  const engine = select("again-engine", "as the settings say", engines.map((value) => [value, names[value] || value]), before.engine);
  const dpi = h("input", { id: "again-dpi", type: "number", min: 50, max: 600, placeholder: "as the settings say", value: before.dpi || null });
  const priority = select("again-priority", `as before (${doc.priority})`, ["high", "normal", "low"].map((value) => [value, value]), "");
  const boxes = languages.map((value) => h("input", { type: "checkbox", value, id: `again-${value}`, checked: (before.languages || []).includes(value) }));
  const dialog = h("dialog", { "aria-labelledby": "again-title" }, h("h2", { id: "again-title" }, `Read ${doc.name} again`),
    h("p", { class: "soft" }, "Languages, engine and resolution are of pages that are pictures."),
    languages.length > 0 && h("fieldset", { class: "choices" }, h("legend", {}, "languages; none: as the settings say"), boxes.map((box) => h("label", {}, box, box.value))),
    entry("again-engine", "engine", engine), entry("again-dpi", "dots per inch", dpi), entry("again-kind", "kind", kind),
    h("datalist", { id: "again-kinds" }, Object.keys(kinds).map((value) => h("option", { value }))), entry("again-priority", "priority", priority));
  const form = h("form", { method: "dialog", class: "row end" }, h("button", { value: "no", formnovalidate: true }, "Leave it"), h("button", { value: "yes", class: "main" }, "Read it again"));
  dialog.append(form);
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (dialog.returnValue !== "yes") { done(null); return; }
      const all = { languages: boxes.filter((box) => box.checked).map((box) => box.value), engine: engine.value, dpi: Number(dpi.value), kind: kind.value.trim(), priority: priority.value };
      done(Object.fromEntries(Object.entries(all).filter(([, value]) => (Array.isArray(value) ? value.length : value))));
    }, { once: true });
    document.body.append(dialog);
    dialog.showModal();
  });
}
