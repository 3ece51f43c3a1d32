// One sample: prompt, output (of one run or two side by side), references, scores, what judges said.

const LONG = 4000; // characters shown before "show all"

function text(value, attributes = {}) {
  if (value.length <= LONG) return foreign(value, "pre", attributes);
  const box = h("div", null, foreign(`${value.slice(0, LONG)}…`, "pre", attributes));
  box.append(h("button", {
    type: "button",
    onclick: () => box.replaceChildren(foreign(value, "pre", attributes)),
  }, `Show all ${value.length.toLocaleString("en")} characters`));
  return box;
}

function part(value, what) {
  return value.x !== undefined ? text(value.x) : medium(value, what);
}

function section(title, ...children) {
  return h("section", null, h("h3", null, title), children);
}

function detail(pair, task, runs) {
  if (!pair) return [h("p", { class: "quiet" }, "No sample fits.")];
  const either = pair.a || pair.b;
  const parts = [h("h2", { id: "sample-title", tabindex: "-1" }, "Sample ", foreign(pair.id))];
  if (either.p.length) parts.push(section("Prompt", either.p.map((value) => part(value, "prompt"))));
  const shown = runs.map((index, i) => [index, i === 0 ? pair.a : pair.b]);
  parts.push(h("div", { class: shown.length > 1 ? "sides" : "" }, shown.map(([index, sample]) => side(index, sample, task, shown.length > 1))));
  if (either.g) parts.push(section("Target", either.g.map((value) => part(value, "target"))));
  if (either.r.length) {
    parts.push(section(either.r.length === 1 ? "Reference" : `References (${either.r.length})`,
      h("ul", { class: "texts" }, either.r.map((value) => h("li", null, text(value))))));
  }
  parts.push(section("About", about(either)));
  return parts;
}

function side(index, sample, task, named) {
  const run = FACTS.runs[index];
  const title = named ? h("span", null, "Output of ", foreign(run.label)) : "Output";
  if (!sample) return section(title, h("p", { class: "quiet" }, "This run has no such sample."));
  return h("div", { class: "side" },
    section(title,
      sample.e && problem("failed", sample.e),
      sample.o && part(sample.o, "output"),
      Object.entries(sample.se || {}).map(([metric, error]) => problem(`${metric} not scored`, error))),
    sample.al && alignmentOf(sample.al),
    (sample.an || []).map((said) => section(h("span", null, "Judge ", foreign(said.by)),
      said.e ? problem("failed", said.e) : text(said.v && said.v.text !== undefined ? said.v.text : JSON.stringify(said.v)))),
    scores(sample, task.runs[index]),
    sample.told && section("Told by the model", foreign(noted(sample.told), "p")));
}

function problem(what, [stage, kind, message]) {
  return h("p", { class: "problem" }, h("span", { class: "tag bad" }, what), ` at ${stage}: `, foreign(kind), ": ", foreign(message));
}

function scores(sample, part_) {
  const rows = part_.metrics.filter((metric) => sample.s[metric.name] !== undefined).map((metric) => {
    const note = sample.d && sample.d[metric.name];
    return [metric.title, sample.s[metric.name] === null ? "undefined" : show(sample.s[metric.name], metric.unit), metric.unit, note ? foreign(noted(note)) : ""];
  });
  return rows.length ? section("Scores", table("Scores of this sample", ["metric", "value", "unit", "read as"], rows)) : null;
}

function noted(note) {
  const value = (item) => (typeof item === "string" ? item : JSON.stringify(item));
  if (note === null || typeof note !== "object" || Array.isArray(note)) return value(note);
  return Object.entries(note).map(([name, item]) => `${name}: ${value(item)}`).join(", ");
}

// Word alignment: what was said above what was heard; colour and a mark tell the kind of error.
const KINDS = { equal: "same", substitute: "substituted", delete: "deleted", insert: "inserted" };

function alignmentOf(pieces) {
  const counts = { substitute: 0, delete: 0, insert: 0 };
  const words = pieces.map(([kind, said, heard]) => {
    if (kind === "equal") return h("span", { class: "equal" }, foreign(said), " ");
    counts[kind] += kind === "insert" ? heard.split(" ").length : said.split(" ").length;
    return h("span", { class: `word ${kind}` },
      h("span", { class: "hidden" }, `${KINDS[kind]}: `),
      said && foreign(said, "del"),
      said && heard ? " " : null,
      heard && foreign(heard, "ins"), " ");
  });
  return section("Alignment",
    h("p", { class: "alignment" }, words),
    h("p", { class: "legend quiet" },
      h("span", { class: "word substitute" }, `${count(counts.substitute, "substitution")}`), " ",
      h("span", { class: "word delete" }, `${count(counts.delete, "deletion")}`), " ",
      h("span", { class: "word insert" }, `${count(counts.insert, "insertion")}`)));
}

function about(sample) {
  const rows = [["Cluster", foreign(sample.c)]];
  if (sample.t !== null && sample.t !== undefined) rows.push(["Time", `${sample.t.toFixed(3)} s${sample.cached ? ", from the cache" : ""}`]);
  for (const [name, value] of Object.entries(sample.meta || {})) {
    rows.push([foreign(name), foreign(typeof value === "string" ? value : JSON.stringify(value))]);
  }
  return h("dl", null, rows.map(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}
