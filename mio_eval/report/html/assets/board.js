// The leaderboard: filters, and tables that sort; groups that do not compare stay apart.

const BOARD = JSON.parse($("facts").textContent);
const wanted = { model: "", task: "", modality: "", size: "", flagged: "all" };
const order = new Map(); // group id → [column, ascending]

function modality(board) {
  return board.inputs.length ? `${board.inputs.join("+")} → ${board.output}` : `→ ${board.output}`;
}

function billions(size) {
  const match = /^([\d.]+)\s*([BMK]?)/i.exec(size || "");
  if (!match) return null;
  return Number(match[1]) * { B: 1, M: 1e-3, K: 1e-6, "": 1 }[match[2].toUpperCase()];
}

const SIZES = {
  "": () => true,
  small: (b) => b !== null && b < 5,
  medium: (b) => b !== null && b >= 5 && b < 20,
  large: (b) => b !== null && b >= 20,
  unknown: (b) => b === null,
};

function fits(entry) {
  const words = wanted.model.toLowerCase().split(/\s+/).filter(Boolean);
  const name = entry.model.toLowerCase();
  return words.every((word) => name.includes(word)) && SIZES[wanted.size](billions(entry.model_size));
}

function filters() {
  const tasks = BOARD.boards.map((board) => [board.task, board.task]);
  const kinds = [...new Set(BOARD.boards.map(modality))].sort().map((kind) => [kind, kind]);
  const set = (name) => (value) => { wanted[name] = value; paint(); };
  const search = h("input", { type: "search", id: "model", placeholder: "part of its name", oninput: () => { wanted.model = search.value; paint(); } });
  replace($("filters"),
    labelled("Model", search),
    labelled("Task", select([["", "all"], ...tasks], "", set("task"), { id: "task" })),
    labelled("Modality", select([["", "all"], ...kinds], "", set("modality"), { id: "modality" })),
    labelled("Model size", select([["", "all"], ["small", "below 5B"], ["medium", "5B to 20B"], ["large", "20B and more"], ["unknown", "not stated"]], "", set("size"), { id: "size" })),
    labelled("Groups", select([["all", "all"], ["clean", "the protocol's only"], ["flagged", "flagged only"]], "all", set("flagged"), { id: "flagged" })));
}

function paint() {
  let shown = 0;
  const sections = [];
  for (const board of BOARD.boards) {
    if (wanted.task && board.task !== wanted.task) continue;
    if (wanted.modality && modality(board) !== wanted.modality) continue;
    const groups = [];
    for (const group of board.groups) {
      if (wanted.flagged !== "all" && (wanted.flagged === "flagged") !== group.flags.length > 0) continue;
      const entries = group.entries.filter(fits);
      if (!entries.length) continue;
      shown += entries.length;
      groups.push(groupTable(board, group, entries));
    }
    if (groups.length) {
      sections.push(h("section", { class: "card", id: `board-${board.task}` },
        h("h2", null, board.task, " ", h("span", { class: "quiet" }, board.title, " · ", modality(board))), groups));
    }
  }
  if (BOARD.excluded.length) {
    sections.push(h("section", { class: "card", id: "excluded" }, h("h2", null, "Left out"),
      table("Runs left out", ["run", "reason"], BOARD.excluded.map((run) => [foreign(run.run), foreign(run.reason)]))));
  }
  replace($("boards"), sections);
  $("count").textContent = count(shown, "row");
}

function sorted(board, group, entries) {
  if (!order.has(group.id)) return entries;
  const [column, ascending] = order.get(group.id);
  const value = (entry) => (column < 0 ? entry.model.toLowerCase() : entry.cells[column].value);
  return entries.map((entry, i) => [entry, i]).sort(([x, i], [y, j]) => {
    const a = value(x), b = value(y);
    if (a === null || b === null) return (a === null) - (b === null) || i - j;
    const by = a < b ? -1 : a > b ? 1 : 0;
    return (ascending ? by : -by) || i - j;
  }).map(([entry]) => entry);
}

function head(group, column, text, bestFirst) {
  const now = order.get(group.id);
  const state = now && now[0] === column ? (now[1] ? "ascending" : "descending") : null;
  const press = () => {
    order.set(group.id, [column, state === null ? bestFirst : state === "descending"]);
    paint();
    const again = document.querySelector(`[data-head="${group.id} ${column}"]`);
    if (again) again.focus();
  };
  const sign = state === null ? "" : state === "ascending" ? " ▲" : " ▼";
  return h("th", { scope: "col", "aria-sort": state },
    h("button", { type: "button", class: "sortable", "data-head": `${group.id} ${column}`, onclick: press }, text, sign));
}

function groupTable(board, group, entries) {
  // A metric that none of the group has is no column of it.
  const used = board.columns.map((column, i) => [column, i]).filter(([, i]) => group.entries.some((entry) => entry.cells[i].value !== null));
  const header = [
    head(group, -1, "model", true), h("th", { scope: "col" }, "size"),
    ...used.map(([column, i]) => head(group, i,
      `${column.title}${column.unit && column.unit !== "×100" ? ` ${column.unit}` : ""} ${column.higher_is_better ? "↑" : "↓"}`, !column.higher_is_better)),
    h("th", { scope: "col" }, "from"),
  ];
  const rows = sorted(board, group, entries).map((entry) => ({
    class: entry.kind,
    cells: [name(entry), entry.model_size || "", ...used.map(([, i]) => cell(entry.cells[i], group)), from(entry)],
  }));
  const said = (flag) => [h("span", { class: "tag warn", title: flag }, flag.split(":")[0]), foreign(flag.slice(flag.indexOf(":") + 1))];
  const title = h("h3", null, group.flags.length ? group.flags.map((flag) => h("div", null, said(flag))) : foreign(group.title));
  return h("div", { class: "group", "data-group": group.id }, title, table(`${board.task}: ${group.title}`, header, rows, { class: "scores" }));
}

function name(entry) {
  const text = foreign(entry.model);
  return entry.report ? h("a", { href: entry.report }, text) : text;
}

// What the group's heading says of all its scores is not said again in every cell.
function cell(value, group) {
  const text = value.rank === 1 ? h("strong", null, value.text) : value.rank === 2 ? h("u", null, value.text) : value.text;
  const parts = [text];
  if (value.interval) parts.push(" ", h("span", { class: "quiet below" }, value.interval));
  const kind = (flag) => flag.split(":")[0];
  const said = group.flags.map(kind);
  for (const flag of value.flags) {
    if (said.includes(kind(flag))) continue;
    parts.push(" ", h("span", { class: kind(flag) === "PARTIAL" ? "tag bad" : "tag warn", title: flag }, kind(flag)));
  }
  return h("span", { title: value.signature }, parts);
}

function from(entry) {
  if (entry.kind === "run") return h("span", { class: "quiet" }, foreign(entry.run));
  return h("span", { class: "quiet" }, entry.source, entry.remark ? ` (${entry.remark})` : "");
}

startTheme();
filters();
paint();
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
  if (event.key === "/") $("model").focus();
  else if (event.key === "t") toggleTheme();
  else return;
  event.preventDefault();
});
document.documentElement.dataset.ready = "true";
