// Making elements. Text is only ever inserted as text nodes: nothing a model wrote becomes markup.

const $ = (id) => document.getElementById(id);

// Control characters that would reorder or hide text, shown by their code point instead.
// eslint-disable-next-line no-control-regex
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\u2028\u2029]/;

function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// A span of foreign text: its direction is its own, its control characters are visible.
function foreign(text, tag = "span", attributes = {}) {
  const element = h(tag, { dir: "auto", ...attributes });
  element.classList.add("foreign");
  let rest = String(text);
  for (;;) {
    const at = rest.search(HIDDEN);
    if (at < 0) break;
    if (at > 0) element.append(document.createTextNode(rest.slice(0, at)));
    const code = rest.charCodeAt(at).toString(16).toUpperCase().padStart(4, "0");
    element.append(h("span", { class: "control", title: `control character U+${code}` }, `U+${code}`));
    rest = rest.slice(at + 1);
  }
  if (rest) element.append(document.createTextNode(rest));
  return element;
}

function replace(element, ...children) {
  element.replaceChildren();
  append(element, children);
  return element;
}

// A table with a caption for screen readers. Cells are strings or nodes.
function table(caption, header, rows, attributes = {}) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    h("table", attributes,
      h("caption", { class: "hidden" }, caption),
      h("thead", null, h("tr", null, header.map((cell) =>
        cell instanceof Node ? cell : h("th", { scope: "col" }, cell)))),
      h("tbody", null, rows.map((row) => {
        const [first, ...others] = row.cells || row;
        return h("tr", { class: row.class },
          h("th", { scope: "row" }, first), others.map((cell) => h("td", null, cell)));
      }))));
}

function labelled(text, control) {
  return h("label", null, h("span", null, text), control);
}

function select(options, chosen, onchange, attributes = {}) {
  const element = h("select", { ...attributes, onchange: () => onchange(element.value) },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  return element;
}

function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
