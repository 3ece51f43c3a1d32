// Which samples are shown, and in which order.

function newFilter(task) {
  const comparing = FACTS.runs.length > 1 && task.runs.filter(Boolean).length > 1;
  return { text: "", status: "all", error: "", sort: comparing ? "change" : "order", low: null, high: null };
}

// Pairs of the samples of two runs (the second may be missing) with one id.
function pairs(first, second) {
  const other = new Map(second.map((sample) => [sample.id, sample]));
  const found = first.map((sample, order) => {
    const b = other.get(sample.id);
    other.delete(sample.id);
    return { id: sample.id, order, a: sample, b };
  });
  for (const sample of other.values()) found.push({ id: sample.id, order: found.length, a: undefined, b: sample });
  return found;
}

function score(sample, metric) {
  const value = sample ? sample.s[metric] : undefined;
  return value === undefined ? null : value;
}

// How much better the second run's sample is: positive is better, whatever the direction.
function change(pair, metric) {
  const a = score(pair.a, metric.name);
  const b = score(pair.b, metric.name);
  if (a === null || b === null) return null;
  return metric.better === "higher" ? b - a : a - b;
}

function hasError(sample, wanted) {
  if (!sample) return false;
  const errors = [...(sample.e ? [sample.e] : []), ...Object.values(sample.se || {})];
  return wanted ? errors.some((error) => `${error[0]}\n${error[1]}` === wanted) : errors.length > 0;
}

function matches(pair, filter, metric, words) {
  const failed = hasError(pair.a, "") || hasError(pair.b, "");
  if (filter.status === "ok" && failed) return false;
  if (filter.status === "failed" && !failed) return false;
  if (filter.error && !hasError(pair.a, filter.error) && !hasError(pair.b, filter.error)) return false;
  if (filter.status === "better" || filter.status === "worse") {
    const by = change(pair, metric);
    if (by === null || (filter.status === "better" ? by <= 0 : by >= 0)) return false;
  }
  if (filter.low !== null) {
    const value = score(pair.a, metric.name);
    if (value === null || value < filter.low) return false;
    if (filter.closed ? value > filter.high : value >= filter.high) return false;
  }
  const text = words.length ? haystack(pair) : "";
  return words.every((word) => text.includes(word));
}

const SORTS = {
  order: () => (x, y) => x.order - y.order,
  best: (metric) => byNumber((p) => score(p.a, metric.name), metric.better === "higher" ? -1 : 1),
  worst: (metric) => byNumber((p) => score(p.a, metric.name), metric.better === "higher" ? 1 : -1),
  change: (metric) => byNumber((p) => { const by = change(p, metric); return by === null ? null : Math.abs(by); }, -1),
  gained: (metric) => byNumber((p) => change(p, metric), -1),
  lost: (metric) => byNumber((p) => change(p, metric), 1),
  slow: () => byNumber((p) => (p.a ? p.a.t : null), -1),
  long: () => byNumber((p) => outputText(p.a).length, -1),
};

// Samples without a number come last, in either direction; ties keep the order of the data.
function byNumber(of, sign) {
  return (x, y) => {
    const a = of(x), b = of(y);
    const none = (a === null || a === undefined) - (b === null || b === undefined);
    if (none) return none;
    return (a === null || a === undefined ? 0 : sign * (a - b)) || x.order - y.order;
  };
}

function chosen(all, filter, metric) {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter((pair) => matches(pair, filter, metric, words)).sort(SORTS[filter.sort](metric));
}
