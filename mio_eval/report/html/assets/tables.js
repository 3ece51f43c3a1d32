// Tables of the overview and of a task.

function runLabel(index) {
  return foreign(FACTS.runs[index].label);
}

function flags(list) {
  return list.map((flag) => h("span", { class: "tag warn", title: flag }, flag.split(":")[0]));
}

function arrow(metric) {
  return metric.better === "higher" ? "↑" : "↓";
}

function heading(metric) {
  const unit = metric.unit && metric.unit !== "×100" ? ` ${metric.unit}` : "";
  return `${metric.title}${unit} ${arrow(metric)}`;
}

function primaryOf(task) {
  for (const part_ of task.runs) {
    if (!part_) continue;
    const metric = part_.metrics.find((candidate) => candidate.primary) || part_.metrics[0];
    if (metric) return metric;
  }
  return null;
}

// Every metric of a task, a row a metric and run.
function metricTable(task) {
  const rows = [];
  task.runs.forEach((part_, index) => {
    if (!part_) return;
    for (const metric of part_.metrics) {
      rows.push({
        class: metric.primary ? "primary" : "",
        cells: [
          heading(metric), runLabel(index), metric.text, metric.interval,
          `${metric.scored}/${metric.expected}`, String(metric.failed), flags(metric.flags), foreign(metric.note),
        ],
      });
    }
  });
  return table(`Scores of ${task.name}`, ["metric", "run", "value", "95 % interval", "scored", "failed", "flags", "note"], rows, { class: "scores" });
}

function groupTable(task) {
  const rows = [];
  task.runs.forEach((part_, index) => {
    for (const row of part_ ? part_.groups : []) {
      rows.push([foreign(row.group), row.metric, runLabel(index), row.text, row.interval, String(row.scored), String(row.failed)]);
    }
  });
  return rows.length
    ? table(`Groups of ${task.name}`, ["group", "metric", "run", "value", "95 % interval", "scored", "failed"], rows, { class: "scores" })
    : null;
}

// Published rows with ours on top, flagged where they do not compare.
function publishedTables(task) {
  return task.published.map((published) => {
    const own = task.runs.flatMap((part_, index) => {
      if (!part_) return [];
      const found = published.metrics.map((name) => part_.metrics.find((metric) => metric.name === name));
      if (!found.some(Boolean)) return [];
      const all = [...new Set(found.filter(Boolean).flatMap((metric) => metric.flags))];
      return [{
        class: "primary",
        cells: [h("span", null, runLabel(index), " ", flags(all)), ...found.map((metric) => (metric ? metric.text : "–")), part_.split, ""],
      }];
    });
    const rows = published.rows.map((row) => [row.model, ...row.values, row.split, row.remark]);
    return section(`Published: ${published.source}`,
      table(`Published results of ${task.name}`, ["model", ...published.columns, "split, as stated", "remark"], [...own, ...rows], { class: "scores" }));
  });
}

function failureTable(task, onPick) {
  const rows = [];
  task.runs.forEach((part_, index) => {
    for (const [stage, kind, number] of part_ ? part_.failures : []) {
      rows.push([stage, foreign(kind), runLabel(index),
        h("button", { type: "button", "aria-label": `${number}: show them`, onclick: () => onPick(`${stage}\n${kind}`) }, String(number))]);
    }
  });
  return rows.length ? table(`Failures of ${task.name}`, ["stage", "type", "run", "samples"], rows) : null;
}

// Rows for the interval chart: our runs, then published rows of the primary metric.
function chartRows(task) {
  const primary = primaryOf(task);
  const rows = [];
  task.runs.forEach((part_, index) => {
    const metric = part_ && part_.metrics.find((candidate) => candidate.name === primary.name);
    if (metric && metric.value !== null) {
      const flagged = metric.flags.length ? ` [${metric.flags.map((flag) => flag.split(":")[0]).join(", ")}]` : "";
      rows.push({
        name: plain(FACTS.runs[index].label) + flagged, value: metric.value, low: metric.low, high: metric.high,
        text: `${metric.text} ${metric.interval}`, own: true,
      });
    }
  });
  for (const published of task.published) {
    const column = published.metrics.indexOf(primary.name);
    if (column < 0) continue;
    for (const row of published.rows) {
      const value = Number.parseFloat(row.values[column]);
      if (Number.isFinite(value)) rows.push({ name: row.model, value, low: null, high: null, text: `${row.values[column]} (published)`, own: false });
    }
  }
  return rows;
}

// Text for a canvas, which has no text nodes: short, without control characters.
function plain(value) {
  return value.split("").map((c) => (HIDDEN.test(c) ? "�" : c)).join("").slice(0, 40);
}
