// The views: overview, one task, failures, definitions.

function overview() {
  forgetCharts();
  const title = h("h2", null, FACTS.runs.length === 1 ? "Overview" : `Overview of ${FACTS.runs.length} runs`);
  const runs = FACTS.runs.map((run, index) => h("details", { open: FACTS.runs.length === 1 },
    h("summary", null, runLabel(index), " ", h("span", { class: `tag ${run.status === "complete" ? "good" : "bad"}` }, run.status)),
    h("p", null, foreign(run.verdict)),
    h("dl", null, run.about.map(([name, value]) => [h("dt", null, name), h("dd", null, foreign(value))])),
    run.skipped.map(([task, why]) => h("p", { class: "quiet" }, `skipped: ${task}: `, foreign(why)))));
  const tasks = FACTS.tasks.map((task, number) => {
    const primary = primaryOf(task);
    const rows = primary ? chartRows(task) : [];
    const plot = rows.length ? intervalChart(rows, `${heading(primary)} with 95 % intervals; the numbers are in the tables`) : null;
    return h("section", { class: "card" },
      h("h3", null, h("a", { href: `#task-${number}` }, task.name), " ", h("span", { class: "quiet" }, task.title)),
      plot && [h("p", { class: "quiet" }, `${heading(primary)}, 95 % intervals; diamonds are published`), plot.box],
      overviewTable(task, number));
  });
  return [title, runs, tasks];
}

function overviewTable(task, number) {
  const rows = [];
  task.runs.forEach((part_, index) => {
    const metric = part_ && part_.metrics.find((candidate) => candidate.primary);
    if (metric) {
      rows.push([runLabel(index), heading(metric), metric.text, metric.interval, `${metric.scored}/${metric.expected}`, String(metric.failed), flags(metric.flags)]);
    }
  });
  return table(`Primary score of ${task.name}`, ["run", "metric", "value", "95 % interval", "scored", "failed", "flags"], rows, { class: "scores", id: `overview-${number}` });
}

function failuresView() {
  forgetCharts();
  const parts = FACTS.tasks.map((task, number) => {
    const found = failureTable(task, (error) => {
      location.hash = `#task-${number}`;
      openTask(number, { error, status: "failed" });
    });
    return found ? section(task.name, found) : null;
  }).filter(Boolean);
  return [h("h2", null, "Failures"), h("p", { class: "quiet" }, "A failed sample has no score; it is counted here and in every table."),
    parts.length ? parts : h("p", null, "No sample failed.")];
}

function definitionsView() {
  forgetCharts();
  return [h("h2", null, "Definitions"),
    h("p", { class: "quiet" }, "A signature holds everything that changes the number. Scores compare when their signatures do."),
    FACTS.definitions.map((metric) => h("section", { class: "card", id: `metric-${metric.name}` },
      h("h3", null, heading(metric), " ", h("code", null, metric.name)),
      h("p", { class: "pre" }, metric.about),
      h("p", { class: "quiet" }, `${metric.better} is better`, metric.unit ? `, unit ${metric.unit}` : "", metric.range ? `, from ${metric.range[0]} to ${metric.range[1]}` : ""),
      metric.uses.map(([where, signature]) => h("div", { class: "signature" },
        h("p", null, foreign(where), ": ", foreign(signature, "code")),
        h("dl", { class: "keys" }, signature.split("|").slice(1).map((pair) => {
          const at = pair.indexOf(":");
          return [h("dt", null, pair.slice(0, at)), h("dd", null, foreign(pair.slice(at + 1)))];
        }))))))];
}

// The view of a task is one object, kept while it is on the page, so that keys can reach its list.
let current = null;

function taskView(number, wanted = {}) {
  forgetCharts();
  const task = FACTS.tasks[number];
  const present = task.runs.map((part_, index) => (part_ ? index : -1)).filter((index) => index >= 0);
  const view = {
    number, task, filter: { ...newFilter(task), ...wanted }, runs: present.slice(0, 2),
    metric: primaryOf(task), all: [], list: null, detail: h("div", { class: "detail", id: "detail" }),
    status: h("p", { id: "count", role: "status", "aria-live": "polite" }), plot: h("div"),
  };
  current = view;
  view.list = new SampleList((pair) => {
    const title = detail(pair, task, view.runs);
    replace(view.detail, title);
    view.detail.scrollTop = 0;
  });
  const filters = h("div", { class: "filters", role: "search", "aria-label": "Samples" });
  view.controls = () => replace(filters, controls(view));
  view.controls();
  loadPairs(view);
  return [
    h("h2", null, task.name, " ", h("span", { class: "quiet" }, task.title)),
    allFlags(task),
    h("details", { open: true }, h("summary", null, "Scores"), metricTable(task)),
    fold("Per group", groupTable(task)),
    fold("Published results", publishedTables(task)),
    fold("Absent metrics", absent(task)),
    h("details", null, h("summary", null, "Protocol and prompt"), protocol(task)),
    failureBlock(view),
    view.plot, filters, view.status,
    h("div", { class: "samples" }, view.list.element, view.detail),
  ];
}

function allFlags(task) {
  const found = [...new Set(task.runs.filter(Boolean).flatMap((part_) => part_.metrics.filter((m) => m.primary).flatMap((m) => m.flags)))];
  return found.map((flag) => h("p", { class: "flag" }, foreign(flag)));
}

function fold(title, content) {
  const parts = [content].flat().filter(Boolean);
  return parts.length ? h("details", null, h("summary", null, title), parts) : null;
}

function absent(task) {
  const lines = [...new Set(task.runs.filter(Boolean).flatMap((part_) => part_.absent.map(([metric, why]) => `${metric}: ${why}`)))];
  return lines.length ? h("ul", null, lines.map((line) => h("li", null, foreign(line)))) : null;
}

function protocol(task) {
  return [h("ul", null, task.notes.map((note) => h("li", null, note))),
    task.runs.map((part_, index) => part_ && h("dl", null,
      h("dt", null, "Run"), h("dd", null, runLabel(index)),
      h("dt", null, "Prompt"), h("dd", null, foreign(part_.prompt, "code")),
      part_.settings.map(([name, value]) => [h("dt", null, name), h("dd", null, foreign(value))]),
      part_.judges.map(([role, name]) => [h("dt", null, `judge ${role}`), h("dd", null, foreign(name))])))];
}

function failureBlock(view) {
  const found = failureTable(view.task, (error) => {
    Object.assign(view.filter, { error, status: "failed" });
    view.controls();
    refresh(view);
  });
  return found ? section("Failures", found) : null;
}

function loadPairs(view) {
  view.status.textContent = "Reading samples…";
  const [first, second] = view.runs;
  Promise.all([samplesOf(view.number, first), second === undefined ? [] : samplesOf(view.number, second)])
    .then(([a, b]) => {
      if (current !== view) return;
      view.all = pairs(a, b);
      plotScores(view);
      refresh(view);
    })
    .catch((error) => { view.status.textContent = `The samples cannot be read: ${error.message}`; });
}

function plotScores(view) {
  if (view.entry) {
    if (view.entry.chart) view.entry.chart.destroy();
    charts.delete(view.entry);
    view.entry = null;
  }
  const values = view.all.map((pair) => score(pair.a, view.metric.name)).filter((value) => value !== null);
  if (!values.length) { replace(view.plot); return; }
  const plot = histogram(values, view.metric.unit, `${view.metric.title} per sample, a histogram`, ([low, high], closed) => {
    Object.assign(view.filter, { low, high, closed });
    view.controls();
    refresh(view);
  });
  view.entry = plot.entry;
  replace(view.plot, h("p", { class: "quiet" }, `${heading(view.metric)} per sample; a click on a bar shows its samples`), plot.box);
  render(plot.entry);
}

function refresh(view, keep = true) {
  const items = chosen(view.all, view.filter, view.metric);
  view.status.textContent = items.length === view.all.length
    ? count(items.length, "sample")
    : `${items.length.toLocaleString("en")} of ${count(view.all.length, "sample")}`;
  view.list.show(items, view.metric, view.runs.length > 1, keep);
}
