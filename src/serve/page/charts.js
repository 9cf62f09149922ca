// Charts as SVG, each with its numbers as text for who does not see it.

import { h, count } from "./base.js";

const chart = (wide, high, label, ...children) =>
  h("svg", { class: "chart", viewBox: `0 0 ${wide} ${high}`, role: "img", "aria-label": label }, ...children);

/** [{value, documents}] as bars, most first. A bar is a link where `to` gives one. */
export function bars(values, label, to) {
  const most = Math.max(1, ...values.map((one) => one.documents));
  const row = ({ value, documents: n }) => {
    const share = Math.max(0.008, n / most);
    const bar = h("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
      h("rect", { class: `mark ${value}`, width: share * 100, height: 10 }));
    const name = to ? h("a", { href: to(value), title: value }, value) : h("span", { title: value }, value);
    return h("li", {}, name, bar, h("span", { class: "number" }, count(n)));
  };
  return h("ol", { class: "bars", "aria-label": label }, values.map(row));
}

/** [{value, documents}] as columns from left to right. */
export function columns(values, label) {
  const most = Math.max(1, ...values.map((one) => one.documents));
  const wide = 400 / Math.max(values.length, 14);
  const text = `${label}: ${values.map((one) => `${one.value} ${one.documents}`).join(", ")}`;
  return chart(400, 150, text,
    h("line", { class: "axis", x1: 0, x2: 400, y1: 125.5, y2: 125.5 }),
    values.map(({ value, documents: n }, index) => {
      const high = (n / most) * 105;
      return h("rect", { class: "mark", x: index * wide + 1, y: 125 - high, width: Math.max(1, wide - 2), height: high, rx: 2 },
        h("title", {}, `${value}: ${count(n)}`));
    }),
    ends(values, wide), h("text", { x: 400, y: 11, "text-anchor": "end" }, `most: ${count(most)}`));
}

/** [{value, parts: {name: n}}] as columns of shares, in the order of `names`. */
export function shares(values, names, label) {
  const wide = 400 / Math.max(values.length, 6);
  const text = `${label}: ${values.map(({ value, parts }) => `${value} ${names.map((name) => `${name} ${parts[name] || 0}`).join(" ")}`).join(", ")}`;
  const column = ({ value, parts }, index) => {
    const all = names.reduce((sum, name) => sum + (parts[name] || 0), 0);
    let top = 5;
    return names.filter((name) => parts[name]).map((name) => {
      const high = (parts[name] / all) * 120;
      const rect = h("rect", { class: `mark ${name}`, x: index * wide + 1, y: top, width: Math.max(1, wide - 2), height: high },
        h("title", {}, `${value}: ${name} ${count(parts[name])} of ${count(all)}`));
      top += high;
      return rect;
    });
  };
  return h("div", {}, chart(400, 150, text, values.map(column), ends(values, wide)), legend(names));
}

function ends(values, wide) {
  const first = values[0]?.value || "";
  const last = values.at(-1)?.value || "";
  return [h("text", { x: 0, y: 144 }, first),
    last !== first && h("text", { x: values.length * wide, y: 144, "text-anchor": "end" }, last)];
}

export const legend = (names) =>
  h("p", { class: "legend" }, names.map((name) => h("span", {}, h("i", { class: `mark ${name}` }), name)));

/** Shares of one whole, [{name, share, title}], as one bar. */
export function strip(parts, label) {
  let left = 0;
  const text = `${label}: ${parts.map((part) => part.title).join(", ")}`;
  return h("svg", { class: "strip", viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": text },
    parts.map(({ name, share, title }) => {
      const rect = h("rect", { class: `mark ${name}`, x: left * 100, width: Math.max(0, share * 100), height: 8 }, h("title", {}, title));
      left += share;
      return rect;
    }));
}

/** Numbers of equal times as small columns. */
export function course(numbers, label) {
  const most = Math.max(1, ...numbers);
  const wide = 100 / Math.max(numbers.length, 7);
  return h("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${numbers.join(", ")}` },
    numbers.map((n, index) => h("rect", { class: "mark", x: index * wide, y: 10 - (n / most) * 10, width: wide * 0.8, height: (n / most) * 10 })));
}

/** The last numbers of something that changes, as a line. */
export function spark(numbers, label) {
  const most = Math.max(0.1, ...numbers);
  const points = numbers.map((n, index) => `${(index / Math.max(1, numbers.length - 1)) * 100},${23 - (n / most) * 21}`);
  return h("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", role: "img", "aria-label": label },
    h("polyline", { points: points.join(" ") }));
}
