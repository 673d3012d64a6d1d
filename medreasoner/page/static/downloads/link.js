// A link that brings the view back: the question, the zoom, the window, which layers are hidden and, for an example, its number; never the
// image. It is a fragment, which a browser does not send to any server.
const linkButton = element.querySelector(".link");
const viewer = () => document.querySelector("#viewer");
const question = () => document.querySelector("#question-form textarea");

function fragment() {
  const { zoom, x, y } = viewer().zoom.get();
  const { window, level } = viewer().windowing.get();
  const parts = { q: question().value, z: zoom.toFixed(2), x: Math.round(x), y: Math.round(y), w: window, l: level };
  const hidden = document.querySelector("#layers").visibility.hidden().join(" ");
  const { example } = viewer().picture;
  const answered = document.querySelector("#workspace").dataset.phase === "done" && example !== null;
  return new URLSearchParams({ ...parts, off: hidden, ...(answered ? { a: 1 } : {}), ...(example === null ? {} : { e: example }) });
}

// The answer to an example comes from its recording, where there is one: it is the same for all who follow the link.
function replay() {
  const { dataset } = document.querySelector("#workspace");
  dataset.recorded = "yes";
  const once = ({ detail }) => {
    if (detail.phase === "waiting") return; // the click itself
    delete dataset.recorded; // the next question is answered anew
    document.removeEventListener("status", once);
  };
  setTimeout(() => document.addEventListener("status", once), 200);
  setTimeout(() => document.querySelector("#ask").click(), 200); // once the question is in its field
}

function restore() {
  const linked = new URLSearchParams(location.hash.slice(1));
  const fillQuestion = () => {
    question().value = linked.get("q") ?? question().value;
    question().dispatchEvent(new Event("input", { bubbles: true }));
  };
  fillQuestion();
  document.addEventListener("picture", () => {
    const layers = document.querySelector("#layers").visibility;
    const off = (linked.get("off") || "").split(" ");
    ["box", "points", "mask", "axes", "truth"].forEach((name) => layers.put(name, !off.includes(name)));
    if (linked.has("w")) viewer().windowing.put({ window: linked.get("w"), level: linked.get("l") });
    viewer().zoom.put({ zoom: Number(linked.get("z")), x: Number(linked.get("x")), y: Number(linked.get("y")) });
    fillQuestion();
    if (linked.has("a")) replay();
  }, { once: true });
  if (linked.has("e")) document.querySelectorAll("#examples button")[Number(linked.get("e"))]?.dispatchEvent(new CustomEvent("open"));
}

linkButton.addEventListener("click", async () => {
  history.replaceState(null, "", `#${fragment()}`);
  await navigator.clipboard?.writeText(location.href);
  linkButton.textContent = viewer().picture.example === null ? "Link copied; images are never stored, open yours again" : "Link copied";
  linkButton.addEventListener("blur", () => (linkButton.textContent = "Copy link"), { once: true });
});

// Gradio mounts components in no fixed order.
function onceMounted(then) {
  const examples = document.querySelector("#examples") || !new URLSearchParams(location.hash.slice(1)).has("e");
  const mounted = question() && viewer()?.zoom && viewer().windowing && document.querySelector("#layers")?.visibility && examples;
  mounted ? then() : requestAnimationFrame(() => onceMounted(then));
}
if (location.hash.length > 1) onceMounted(restore);
