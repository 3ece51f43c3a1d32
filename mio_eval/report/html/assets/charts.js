// Charts by Chart.js, drawn again when the theme changes. Every chart stands beside a table with
// the same numbers, so it is an image to a screen reader.

const charts = new Set();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function draw(canvas, build) {
  const entry = { canvas, build, chart: null };
  charts.add(entry);
  return entry;
}

function render(entry) {
  if (entry.chart) entry.chart.destroy();
  entry.chart = new Chart(entry.canvas, entry.build());
}

function forgetCharts() {
  for (const entry of charts) if (entry.chart) entry.chart.destroy();
  charts.clear();
}

themeListeners.push(() => {
  for (const entry of charts) if (entry.chart) render(entry);
});

function options(extra) {
  const ink = colour("--ink");
  const grid = colour("--line");
  Chart.defaults.font.family = "system-ui, sans-serif";
  const axis = () => ({ grid: { color: grid }, ticks: { color: ink }, title: { color: ink } });
  return {
    animation: false, responsive: true, maintainAspectRatio: false,
    plugins: { legend: { display: false }, tooltip: extra.tooltip || {} },
    scales: { x: { ...axis(), ...extra.x }, y: { ...axis(), ...extra.y } },
    indexAxis: extra.indexAxis || "x", onClick: extra.onClick,
  };
}

// Rows of {name, value, low, high, text, own}: a point each, with its interval where it has one.
function intervalChart(rows, label) {
  const canvas = h("canvas", { role: "img", "aria-label": label });
  const box = h("div", { class: "chart" }, canvas);
  box.style.height = `${56 + 24 * rows.length}px`;
  const entry = draw(canvas, () => ({
    type: "bar",
    data: {
      labels: rows.map((row) => row.name),
      datasets: [
        {
          type: "line", showLine: false, data: rows.map((row) => row.value),
          pointRadius: rows.map((row) => (row.own ? 5 : 4)),
          pointStyle: rows.map((row) => (row.own ? "circle" : "rectRot")),
          pointBackgroundColor: rows.map((row) => colour(row.own ? "--accent" : "--muted")),
          pointBorderColor: colour("--paper"),
        },
        {
          data: rows.map((row) => (row.low === null || row.low === undefined ? null : [row.low, row.high])),
          backgroundColor: colour("--band"), barThickness: 6, borderRadius: 3, borderSkipped: false,
        },
      ],
    },
    options: options({
      indexAxis: "y",
      x: { beginAtZero: false, grace: "8%" },
      y: { offset: true, ticks: { autoSkip: false, color: colour("--ink") }, grid: { display: false } },
      tooltip: { callbacks: { label: (item) => rows[item.dataIndex].text } },
    }),
  }));
  return { box, entry };
}

// Counts of per-sample scores; a click on a bar narrows the list to it.
function histogram(values, unit, label, onPick) {
  // Not as arguments of Math.min: VQAv2's 214,354 samples are more than a call may have.
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const bins = Math.min(20, Math.max(1, new Set(values).size));
  const width = (high - low) / bins || 1;
  const counts = new Array(bins).fill(0);
  for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) / width))] += 1;
  const edges = counts.map((_, i) => [low + i * width, i === bins - 1 ? high : low + (i + 1) * width]);
  const canvas = h("canvas", { role: "img", "aria-label": label });
  const box = h("div", { class: "chart short" }, canvas);
  const entry = draw(canvas, () => ({
    type: "bar",
    data: {
      labels: edges.map(([a, b]) => (a === b ? show(a, unit) : `${show(a, unit)} – ${show(b, unit)}`)),
      datasets: [{ data: counts, backgroundColor: colour("--accent"), categoryPercentage: 1, barPercentage: 0.95 }],
    },
    options: options({
      y: { ticks: { precision: 0, color: colour("--ink") } },
      onClick: (_, hit) => { if (hit.length) onPick(edges[hit[0].index], hit[0].index === bins - 1); },
    }),
  }));
  return { box, entry };
}

// Two decimals as the tables print, four for unscaled values such as SSIM; whole numbers bare.
function show(value, unit = "") {
  if (value === null || value === undefined) return "–";
  return Number.isInteger(value) ? String(value) : value.toFixed(unit ? 2 : 4);
}
