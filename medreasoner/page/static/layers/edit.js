// Corrections: corners and sides of the box, points and clicks can be dragged, or moved with the arrow keys; each asks only the segmenter.
// `prompt` is what is drawn, `history` what it was before each correction, `undone` what was taken back. The server returns the number of the edit it answers.
const CORNERS = { nw: [0, 1], n: [null, 1], ne: [2, 1], e: [2, null], se: [2, 3], s: [null, 3], sw: [0, 3], w: [0, null] };
const LABELS = { nw: "top left corner", ne: "top right corner", se: "bottom right corner", sw: "bottom left corner", n: "top", e: "right side", s: "bottom", w: "left side" };
const NARROW = 56; // pixels of the screen; a shorter side of the box has no handle of its own
let prompt = null;
let history = [];
let undone = [];
let lastEdit = 0;
let tool = ""; // "include", "exclude", "draw", "ruler" or nothing
let pendingSend = null; // timer: a correction by key is sent when the keys rest

const copy = (value) => JSON.parse(JSON.stringify(value));
const editable = () => prompt !== null && document.querySelector("#workspace").dataset.phase === "done";

function setPrompt(value) {
  const there = value.box || value.free; // a slice of a stack takes corrections without a box, too
  prompt = there ? copy({ box: value.box || null, points: value.points || [], clicks: value.clicks || [] }) : null;
  if (value.edit === undefined) {
    history = [];
    undone = [];
    if (tool !== "ruler") setTool("");
  }
  redraw();
}

function redraw() {
  if (prompt?.box) drawBox(prompt.box);
  const [width, height] = sizeOf();
  const [x1, y1, x2, y2] = prompt?.box || [0, 0, 0, 0];
  const scale = stageOf().getBoundingClientRect().width / width;
  const outside = outsideOf(prompt?.box, scale, width);
  const spots = { corners: [], points: [] };
  for (const [name, [ix, iy]] of prompt?.box ? Object.entries(CORNERS) : []) {
    const middle = ix === null || iy === null;
    if (middle && (ix === null ? x2 - x1 : y2 - y1) * scale < NARROW) continue;
    const [x, y] = [ix === null ? (x1 + x2) / 2 : prompt.box[ix], iy === null ? (y1 + y2) / 2 : prompt.box[iy]];
    spots.corners.push({ key: name, x, y, at: outside.corner(x, y), label: `Box, ${LABELS[name]}`, text: "", tabbed: !middle });
  }
  (prompt?.points || []).forEach(([x, y], n) => spots.points.push({ key: `point${n}`, x, y, at: outside.point(x, y, n), label: `Point ${n + 1}`, text: n + 1, tabbed: true }));
  (prompt?.clicks || []).forEach(([x, y, positive], n) =>
    spots.points.push({ key: `click${n}`, x, y, at: [x, y], label: positive ? "Included" : "Excluded", text: positive ? "+" : "−", tabbed: true }),
  );
  Object.entries(spots).forEach(([name, wanted]) => placeButtons(layer(name), wanted, width, height));
  drawLeaders(spots.points, width, height);
  toolbar.querySelector("[data-undo]").disabled = !history.length;
  toolbar.querySelector("[data-redo]").disabled = !undone.length;
}

// Buttons are kept from one drawing to the next, so that the focused one stays focused.
function placeButtons(host, wanted, width, height) {
  const existing = new Map([...host.children].map((button) => [button.dataset.key, button]));
  for (const { key, x, y, at, label, text, tabbed } of wanted) {
    const button = existing.get(key) || host.appendChild(document.createElement("button"));
    existing.delete(key);
    button.type = "button";
    button.dataset.key = key;
    button.className = key.startsWith("click") ? (text === "+" ? "included" : "excluded") : "";
    button.tabIndex = tabbed ? 0 : -1;
    button.textContent = text;
    button.setAttribute("aria-label", `${label}, at ${Math.round(x)}, ${Math.round(y)}`);
    button.style.left = `${(100 * at[0]) / width}%`;
    button.style.top = `${(100 * at[1]) / height}%`;
  }
  existing.forEach((button) => button.remove());
}

function move(key, x, y) {
  const [width, height] = sizeOf();
  const to = [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
  if (key in CORNERS) {
    CORNERS[key].forEach((index, axis) => {
      if (index === null) return;
      const facing = prompt.box[(index + 2) % 4];
      prompt.box[index] = index < 2 ? Math.min(to[axis], facing - 1) : Math.max(to[axis], facing + 1); // never turned inside out
    });
  } else {
    const list = key.startsWith("point") ? prompt.points : prompt.clicks;
    const spot = list[Number(key.replace(/\D/g, ""))];
    [spot[0], spot[1]] = to;
  }
  redraw();
}

function positionOf(key) {
  if (key in CORNERS) return CORNERS[key].map((index) => (index === null ? 0 : prompt.box[index]));
  const list = key.startsWith("point") ? prompt.points : prompt.clicks;
  return list[Number(key.replace(/\D/g, ""))];
}

function send() {
  clearTimeout(pendingSend);
  pendingSend = null;
  lastEdit += 1;
  layer("mask").classList.add("stale");
  trigger("refine", { ...prompt, edit: lastEdit });
}

function correct(change) {
  history.push(copy(prompt));
  undone = [];
  change();
  redraw();
  send();
}

// From one of the two stacks to the other.
function step(from, to) {
  if (!editable() || !from.length) return;
  to.push(copy(prompt));
  prompt = from.pop();
  redraw();
  send();
}
const undo = () => step(history, undone);
const redo = () => step(undone, history);

function setTool(name) {
  tool = name;
  toolbar.querySelectorAll("[data-tool]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.tool === name));
  viewer().querySelector(".frame").dataset.tool = name;
}

function click(x, y) {
  correct(() => prompt.clicks.push([x, y, tool === "include"]));
}

const inImage = (event) => {
  const shown = stageOf().getBoundingClientRect();
  const [width, height] = sizeOf();
  return [((event.clientX - shown.x) / shown.width) * width, ((event.clientY - shown.y) / shown.height) * height];
};

let drag = null; // the handle under the pointer: its key, the prompt before, and how far from its middle it was taken
document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest("#viewer .corners button, #viewer .points button");
  if (!handle || !editable() || event.button !== 0) return;
  const [x, y] = positionOf(handle.dataset.key);
  const [px, py] = inImage(event);
  drag = { key: handle.dataset.key, before: copy(prompt), dx: x - px, dy: y - py, moved: false };
  handle.setPointerCapture(event.pointerId);
});
document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  const [px, py] = inImage(event);
  drag.moved = true;
  layer("mask").classList.add("stale");
  move(drag.key, px + drag.dx, py + drag.dy);
});
["pointerup", "pointercancel"].forEach((end) =>
  document.addEventListener(end, () => {
    if (drag?.moved && JSON.stringify(drag.before) !== JSON.stringify(prompt)) {
      history.push(drag.before);
      undone = [];
      redraw();
      send();
    }
    drag = null;
  }),
);
document.addEventListener("click", (event) => {
  const button = event.target.closest("#layers [data-tool]");
  if (button) return setTool(tool === button.dataset.tool ? "" : button.dataset.tool);
  if (event.target.closest("#layers [data-undo]")) return undo();
  if (event.target.closest("#layers [data-redo]")) return redo();
  if (!["include", "exclude"].includes(tool) || !editable() || event.shiftKey || event.target.closest("button") || !event.target.closest("#viewer .stage")) return;
  click(...inImage(event));
});
document.addEventListener("moved", redraw); // zoomed: sides may have become long enough for a handle
