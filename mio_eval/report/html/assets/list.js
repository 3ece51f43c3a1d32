// A list of any length: only the rows in sight are in the document.

const ROW = 56; // pixels; the style sheet has the same height
const SPARE = 6; // rows kept above and below the window

class SampleList {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.items = [];
    this.chosen = -1;
    this.metric = null;
    this.comparing = false;
    this.rows = new Map();
    this.space = h("div", { class: "space", role: "presentation" });
    this.element = h("div", {
      class: "list", id: "samples", role: "listbox", tabindex: "0", "aria-label": "Samples",
      onscroll: () => this.paint(),
    }, this.space);
    this.space.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.choose(Number(row.dataset.at));
    });
    new ResizeObserver(() => this.paint()).observe(this.element);
  }

  // `keep`: stay with the chosen sample where it is still there; else begin at the top.
  show(items, metric, comparing, keep) {
    const kept = keep && this.chosen >= 0 && this.items[this.chosen] ? this.items[this.chosen].id : null;
    this.items = items;
    this.metric = metric;
    this.comparing = comparing;
    this.space.style.height = `${items.length * ROW}px`;
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
    this.chosen = -1;
    const at = kept === null ? -1 : items.findIndex((pair) => pair.id === kept);
    this.element.scrollTop = 0;
    this.choose(at >= 0 ? at : items.length ? 0 : -1);
    this.paint();
  }

  move(by) {
    if (!this.items.length) return;
    this.choose(Math.max(0, Math.min(this.items.length - 1, this.chosen + by)));
  }

  choose(at) {
    const before = this.rows.get(this.chosen);
    if (before) before.setAttribute("aria-selected", "false");
    this.chosen = at;
    if (at >= 0) {
      const top = at * ROW;
      const view = this.element;
      if (top < view.scrollTop) view.scrollTop = top;
      else if (top + ROW > view.scrollTop + view.clientHeight && view.clientHeight) {
        view.scrollTop = top + ROW - view.clientHeight;
      }
    }
    this.paint();
    const row = this.rows.get(at);
    if (row) {
      row.setAttribute("aria-selected", "true");
      this.element.setAttribute("aria-activedescendant", row.id);
    } else {
      this.element.removeAttribute("aria-activedescendant");
    }
    this.onChoose(at >= 0 ? this.items[at] : null, at);
  }

  paint() {
    const view = this.element;
    const first = Math.max(0, Math.floor(view.scrollTop / ROW) - SPARE);
    const last = Math.min(this.items.length, Math.ceil((view.scrollTop + view.clientHeight) / ROW) + SPARE);
    for (const [at, row] of this.rows) {
      if ((at < first || at >= last) && at !== this.chosen) {
        row.remove();
        this.rows.delete(at);
      }
    }
    for (let at = first; at < last; at += 1) this.row(at);
    if (this.chosen >= 0) this.row(this.chosen);
  }

  row(at) {
    if (this.rows.has(at)) return;
    const pair = this.items[at];
    const row = h("div", {
      class: "row", role: "option", id: `row-${at}`, "data-at": at, "data-id": pair.id,
      "aria-selected": String(at === this.chosen),
      "aria-posinset": at + 1, "aria-setsize": this.items.length,
    }, this.headline(pair), this.snippet(pair));
    row.style.top = `${at * ROW}px`;
    this.rows.set(at, row);
    this.space.append(row);
  }

  headline(pair) {
    const numbers = [scoreText(pair.a, this.metric)];
    if (this.comparing) {
      const by = change(pair, this.metric);
      numbers.push(" → ", scoreText(pair.b, this.metric));
      if (by !== null && by !== 0) {
        numbers.push(h("span", { class: by > 0 ? "better" : "worse" }, by > 0 ? " better" : " worse"));
      }
    }
    return h("div", { class: "line" }, foreign(pair.id, "span", { class: "id" }), h("span", { class: "numbers" }, numbers));
  }

  snippet(pair) {
    const sample = pair.a || pair.b;
    const failed = hasError(sample, "");
    return h("div", { class: "line quiet" },
      failed && h("span", { class: "tag bad" }, "failed"),
      foreign(outputText(sample).slice(0, 160), "span", { class: "snippet" }));
  }
}

function scoreText(sample, metric) {
  if (!sample) return "absent";
  const value = score(sample, metric.name);
  return show(value, metric.unit);
}
