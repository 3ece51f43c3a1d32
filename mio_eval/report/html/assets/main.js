// Controls, navigation and keys.

const KEYS = [
  ["j, ↓", "next sample"], ["k, ↑", "previous sample"], ["PgDn, PgUp", "ten samples on, back"],
  ["Home, End", "first, last sample"], ["Enter", "into the sample"], ["/", "search"],
  ["Esc", "clear the search, back to the list"], ["], [", "next, previous task"],
  ["o", "overview"], ["t", "dark or light"], ["?", "this help"],
];

function controls(view) {
  const { filter, task } = view;
  let timer = 0;
  const search = h("input", {
    type: "search", id: "search", value: filter.text, placeholder: "id, prompt, output, reference", autocomplete: "off",
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => { filter.text = search.value; refresh(view); }, 80);
    },
  });
  const set = (name) => (value) => { filter[name] = value; refresh(view, false); };
  const comparing = view.runs.length > 1;
  const states = [["all", "all"], ["ok", "scored"], ["failed", "failed"], ...(comparing ? [["better", "better in the second"], ["worse", "worse in the second"]] : [])];
  const sorts = [["order", "id"], ["worst", "worst first"], ["best", "best first"],
    ...(comparing ? [["change", "most changed"], ["gained", "most improved"], ["lost", "most worsened"]] : []), ["long", "longest output"], ["slow", "slowest"]];
  const metrics = task.runs[view.runs[0]].metrics;
  const parts = [
    labelled("Search", search),
    labelled("Show", select(states, filter.status, set("status"), { id: "status" })),
    labelled("Sort", select(sorts, filter.sort, set("sort"), { id: "sort" })),
    labelled("Metric", select(metrics.map((m) => [m.name, m.title]), view.metric.name, (name) => {
      view.metric = metrics.find((m) => m.name === name);
      Object.assign(filter, { low: null, high: null });
      view.controls();
      plotScores(view);
      refresh(view);
    }, { id: "metric" })),
  ];
  if (FACTS.runs.length > 1) parts.push(runChoosers(view));
  if (filter.low !== null || filter.error) {
    const what = filter.error ? filter.error.replace("\n", ": ") : `${show(filter.low, view.metric.unit)} – ${show(filter.high, view.metric.unit)}`;
    parts.push(h("button", {
      type: "button", class: "chip",
      onclick: () => { Object.assign(filter, { low: null, high: null, error: "", status: "all" }); view.controls(); refresh(view); },
    }, "only ", foreign(what), " ✕"));
  }
  return parts;
}

function runChoosers(view) {
  const present = view.task.runs.map((part_, index) => [part_, index]).filter(([part_]) => part_);
  const names = present.map(([, index]) => [String(index), FACTS.runs[index].label.slice(0, 40)]);
  const change_ = (at) => (value) => {
    const runs = [...view.runs];
    if (value === "") runs.splice(1, 1);
    else runs[at] = Number(value);
    view.runs = runs;
    if (runs.length < 2 && ["change", "gained", "lost"].includes(view.filter.sort)) view.filter.sort = "order";
    view.controls();
    loadPairs(view);
  };
  return [
    labelled("First run", select(names, String(view.runs[0]), change_(0), { id: "first-run" })),
    labelled("Second run", select([["", "none"], ...names], view.runs.length > 1 ? String(view.runs[1]) : "", change_(1), { id: "second-run" })),
  ];
}

function navigation() {
  const links = [["#overview", "Overview"], ...FACTS.tasks.map((task, i) => [`#task-${i}`, task.name]),
    ["#failures", "Failures"], ["#definitions", "Definitions"]];
  replace($("nav"), h("ul", null, links.map(([href, name]) => h("li", null, h("a", { href }, name)))));
}

function openTask(number, wanted) {
  go(() => taskView(number, wanted), `#task-${number}`);
}

function go(build, hash) {
  current = null;
  replace($("main"), build());
  for (const entry of charts) if (!entry.chart && entry.canvas.isConnected) render(entry);
  for (const link of $("nav").querySelectorAll("a")) {
    if (link.getAttribute("href") === hash) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  window.scrollTo(0, 0);
}

function route() {
  const hash = location.hash || "#overview";
  const task = /^#task-(\d+)$/.exec(hash);
  if (hash === "#main") return;
  if (task && FACTS.tasks[Number(task[1])]) {
    if (current && current.number === Number(task[1])) return;
    openTask(Number(task[1]));
  } else if (hash === "#failures") go(failuresView, hash);
  else if (hash === "#definitions") go(definitionsView, hash);
  else go(overview, "#overview");
}

function help() {
  const dialog = $("help");
  replace(dialog, h("h2", { id: "help-title" }, "Keys"),
    h("dl", null, KEYS.map(([key, what]) => [h("dt", null, h("kbd", null, key)), h("dd", null, what)])),
    h("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  dialog.showModal();
}

function step(by) {
  const now = current ? current.number : by > 0 ? -1 : FACTS.tasks.length;
  const next = now + by;
  if (next >= 0 && next < FACTS.tasks.length) location.hash = `#task-${next}`;
}

const LIST_KEYS = {
  j: (list) => list.move(1), ArrowDown: (list) => list.move(1),
  k: (list) => list.move(-1), ArrowUp: (list) => list.move(-1),
  PageDown: (list) => list.move(10), PageUp: (list) => list.move(-10),
  Home: (list) => list.move(-Infinity), End: (list) => list.move(Infinity),
  Enter: () => { const title = $("sample-title"); if (title) title.focus(); },
};
const PAGE_KEYS = {
  "]": () => step(1), "[": () => step(-1), o: () => { location.hash = "#overview"; },
  t: toggleTheme, "?": help,
  "/": () => { const search = $("search"); if (search) search.focus(); },
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const target = event.target;
  const typing = target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (target.id === "search" && target.value && current) {
      target.value = "";
      current.filter.text = "";
      refresh(current);
    } else if (current) current.list.element.focus();
    event.preventDefault();
    return;
  }
  if (typing) return;
  const inList = current && (target === current.list.element || event.key === "j" || event.key === "k");
  const pressable = target.matches("a, button, summary, audio, video");
  if (inList && LIST_KEYS[event.key]) LIST_KEYS[event.key](current.list);
  else if (PAGE_KEYS[event.key] && !(pressable && event.key === "Enter")) PAGE_KEYS[event.key]();
  else return;
  event.preventDefault();
}

function start() {
  navigation();
  startTheme();
  $("help-button").addEventListener("click", help);
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", route);
  route();
  document.documentElement.dataset.ready = "true";
}

start();
