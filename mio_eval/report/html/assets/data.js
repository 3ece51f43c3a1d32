// The report's data: facts in the page, samples in chunks that are read when a task is opened.

const FACTS = JSON.parse($("facts").textContent);
const arrived = new Map(); // chunk name → samples, handed over by data/*.js
const waiting = new Map(); // chunk name → what to call when it arrives
const loaded = new Map(); // "task-run" → Promise of samples

window.mioChunk = (name, samples) => {
  arrived.set(name, samples);
  if (waiting.has(name)) waiting.get(name)();
};

function chunk(name) {
  const inline = document.querySelector(`script[data-chunk="${name}"]`);
  if (inline) {
    const samples = JSON.parse(inline.textContent);
    inline.remove(); // parsed once; its text is not needed again
    return Promise.resolve(samples);
  }
  return new Promise((resolve, reject) => {
    const script = h("script", { src: `data/${name}.js` });
    waiting.set(name, () => {
      script.remove();
      resolve(arrived.get(name));
    });
    script.addEventListener("error", () => reject(new Error(`data/${name}.js cannot be read`)));
    document.head.append(script);
  });
}

// All samples of one run's task, with what search and sort need computed once.
function samplesOf(taskIndex, runIndex) {
  const key = `${taskIndex}-${runIndex}`;
  if (!loaded.has(key)) {
    const part = FACTS.tasks[taskIndex].runs[runIndex];
    const chunks = part ? Promise.all(part.chunks.map(chunk)) : Promise.resolve([]);
    loaded.set(key, chunks.then((parts) => parts.flat()));
  }
  return loaded.get(key);
}

function outputText(sample) {
  if (!sample) return "";
  if (sample.e) return `failed at ${sample.e[0]}: ${sample.e[2]}`;
  if (sample.o && sample.o.x !== undefined) return sample.o.x;
  return sample.o ? `${sample.o.k}` : "";
}

function haystack(pair) {
  if (pair.text === undefined) {
    const parts = [pair.id];
    for (const sample of [pair.a, pair.b]) {
      if (!sample) continue;
      parts.push(outputText(sample), ...sample.r, ...sample.p.map((part) => part.x ?? part.n));
      for (const said of sample.an || []) parts.push(JSON.stringify(said.v ?? said.e));
    }
    pair.text = parts.join("\n").toLowerCase();
  }
  return pair.text;
}
