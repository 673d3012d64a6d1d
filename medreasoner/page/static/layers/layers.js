// The layers of the viewer: box, points, mask, true outline and the place a word means, as vectors over the image; one toggle each.
// A component of its own, so that a new box never sends the image again. Gradio mounts components in no fixed order: look others up late.
// edit.js (corrections), box_tools.js, ruler.js and keys.js follow in the same scope.
const toolbar = element.querySelector(".toolbar");
const viewer = () => document.querySelector("#viewer");
const toggles = [...element.querySelectorAll("[data-layer]")];
const layer = (name) => viewer().querySelector(`.layer.${name}`);
const stageOf = () => viewer().querySelector(".stage");
const sizeOf = () => ["--width", "--height"].map((name) => Number(stageOf().style.getPropertyValue(name)) || 1);

function drawBox([x1, y1, x2, y2]) {
  layer("box").querySelectorAll("rect").forEach((rect) => {
    Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 }).forEach(([name, value]) => rect.setAttribute(name, value));
  });
}

// Whether an answer is there to be compared with the expert's outline.
const answered = () => document.querySelector("#workspace").dataset.phase === "done";

function draw() {
  const value = props.value || {};
  if (value.edit !== undefined && (value.edit < lastEdit || pendingSend !== null || drag?.moved)) return; // a later correction is under way
  const truth = viewer().picture?.truth || "";
  const [width, height] = sizeOf();
  viewer().querySelectorAll("svg.layer").forEach((svg) => svg.setAttribute("viewBox", `0 0 ${width} ${height}`));
  layer("mask").querySelector("path").setAttribute("d", value.mask || "");
  layer("mask").classList.remove("stale");
  layer("truth").querySelectorAll("path").forEach((path) => path.setAttribute("d", truth));
  const axes = (value.axes || []).map(([x1, y1, x2, y2]) => `M${x1} ${y1}L${x2} ${y2}`).join("");
  layer("axes").querySelectorAll("path").forEach((path) => path.setAttribute("d", axes));
  setPrompt(value);
  const available = { box: Boolean(value.box), points: Boolean(value.points), mask: Boolean(value.mask), axes: Boolean(axes), truth: Boolean(truth && answered()) };
  toggles.find((button) => button.dataset.layer === "truth").hidden = !truth;
  for (const button of toggles) {
    button.disabled = !available[button.dataset.layer];
    layer(button.dataset.layer).classList.toggle("drawn", available[button.dataset.layer]);
  }
  layer("corners").classList.toggle("drawn", available.box);
  const picture = viewer().querySelector("img");
  picture.alt = [picture.dataset.alt, value.spoken].filter(Boolean).join(". ");
}

function show(name, shown) {
  const button = toggles.find((candidate) => candidate.dataset.layer === name);
  button.setAttribute("aria-pressed", shown);
  layer(name).classList.toggle("off", !shown);
  if (name === "box") layer("corners").classList.toggle("off", !shown);
  if (name === "truth") document.querySelector("#workspace").classList.toggle("with-truth", shown);
}

function toggle(button) {
  show(button.dataset.layer, button.getAttribute("aria-pressed") !== "true");
}

// The place a word or a number means: all the rest of the image goes dim.
function light(box) {
  const [width, height] = sizeOf();
  const path = box && `M0 0H${width}V${height}H0ZM${box[0]} ${box[1]}V${box[3]}H${box[2]}V${box[1]}Z`;
  layer("light").querySelector("path").setAttribute("d", path || "");
  layer("light").classList.toggle("drawn", Boolean(box));
}

toggles.forEach((button) => button.addEventListener("click", () => toggle(button)));
document.addEventListener("light", (event) => light(event.detail));
document.addEventListener("status", () => {
  const button = toggles.find((candidate) => candidate.dataset.layer === "truth");
  button.disabled = !answered() || !viewer().picture?.truth;
  layer("truth").classList.toggle("drawn", !button.disabled);
});
document.addEventListener("picture", () => {
  show("truth", false);
  light(null);
  draw();
});
const hidden = () => toggles.filter((button) => button.getAttribute("aria-pressed") !== "true").map((button) => button.dataset.layer);
element.closest("#layers").visibility = { hidden, put: show };
