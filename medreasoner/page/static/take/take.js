// Files of a finished run, and a link that brings the view back. The link holds the question, the zoom, the window, what is hidden and, for
// an example, its number; never the image. It is a fragment: a browser does not send it to any server.
const row = element.querySelector(".take");
const files = element.querySelector(".files");
const link = element.querySelector(".link");
let fetched = null;

function save({ id, name, url }) {
  if (id === fetched) return;
  fetched = id;
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
}

function show() {
  const { kinds = [], file } = props.value || {};
  row.hidden = !kinds.length;
  const there = [...files.children].map((button) => button.dataset.kind);
  if (kinds.map(({ kind }) => kind).join() !== there.join()) {
    files.replaceChildren(
      ...kinds.map(({ kind, label }) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
        button.dataset.kind = kind;
        button.addEventListener("click", () => trigger("fetch", { kind }));
        return button;
      }),
    );
  }
  if (file) save(file);
}

const viewer = () => document.querySelector("#viewer");
const question = () => document.querySelector("#asking textarea");

function fragment() {
  const { zoom, x, y } = viewer().zoom.get();
  const { window, level } = viewer().shades.get();
  const parts = { q: question().value, z: zoom.toFixed(2), x: Math.round(x), y: Math.round(y), w: window, l: level };
  const hidden = document.querySelector("#layers").shown.hidden().join(" ");
  const { example } = viewer().picture;
  return new URLSearchParams({ ...parts, off: hidden, ...(example === null ? {} : { e: example }) });
}

function bringBack() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const write = () => {
    question().value = asked.get("q") ?? question().value;
    question().dispatchEvent(new Event("input", { bubbles: true }));
  };
  write();
  document.addEventListener("picture", () => {
    const layers = document.querySelector("#layers").shown;
    const off = (asked.get("off") || "").split(" ");
    ["box", "points", "mask", "truth"].forEach((name) => layers.put(name, !off.includes(name)));
    if (asked.has("w")) viewer().shades.put({ window: asked.get("w"), level: asked.get("l") });
    viewer().zoom.put({ zoom: Number(asked.get("z")), x: Number(asked.get("x")), y: Number(asked.get("y")) });
    write();
  }, { once: true });
  if (asked.has("e")) document.querySelectorAll("#examples button")[Number(asked.get("e"))]?.click();
}

link.addEventListener("click", async () => {
  history.replaceState(null, "", `#${fragment()}`);
  await navigator.clipboard?.writeText(location.href);
  link.textContent = "Link copied";
  link.addEventListener("blur", () => (link.textContent = "Copy link"), { once: true });
});
follow(show);
show();

// Gradio mounts components in no fixed order.
function onceAllStand(then) {
  const strip = document.querySelector("#examples") || !new URLSearchParams(location.hash.slice(1)).has("e");
  const stand = question() && viewer()?.zoom && viewer().shades && document.querySelector("#layers")?.shown && strip;
  stand ? then() : requestAnimationFrame(() => onceAllStand(then));
}
if (location.hash.length > 1) onceAllStand(bringBack);
