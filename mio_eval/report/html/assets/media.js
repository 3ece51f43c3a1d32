// Images, sounds and videos. Sources come from the report's own index, never from model output.

function sourceOf(key) {
  const entry = FACTS.media[key];
  if (!entry) return null;
  if (entry.src) return entry.src;
  const inline = $(`m-${key}`);
  return inline ? `data:${entry.type};base64,${inline.textContent}` : null;
}

// A part {k: modality, n: name, h: sha256, m: key}: the medium, with its name and hash below.
function medium(part, what) {
  const entry = part.m ? FACTS.media[part.m] : null;
  const name = foreign(part.n);
  const hash = part.h ? h("code", { title: `sha256 ${part.h}` }, part.h.slice(0, 12)) : "no hash";
  const caption = h("figcaption", null, name, " · ", hash);
  const shown = entry ? player(part, entry, what) : h("p", { class: "quiet" }, `${part.k}: the file is not at hand`);
  return h("figure", { class: `medium ${part.k}` }, shown, caption);
}

function player(part, entry, what) {
  if (entry.why) return h("p", { class: "quiet" }, `${part.k}: `, foreign(entry.why));
  if (entry.frames) {
    return h("div", { class: "frames", role: "group", "aria-label": `${what}: frames of the video` },
      entry.frames.map((key, i) => h("img", { src: sourceOf(key), alt: `frame ${i + 1} of ${entry.frames.length}` })));
  }
  const src = sourceOf(part.m);
  if (part.k === "image") return h("img", { src, alt: `${what}: ${part.n}`, loading: "lazy" });
  const element = h(part.k, { src, controls: true, preload: "metadata", "aria-label": `${what}: ${part.k}` });
  element.addEventListener("error", () => {
    element.after(h("p", { class: "quiet" }, "this browser cannot play the file"));
  });
  return element;
}
