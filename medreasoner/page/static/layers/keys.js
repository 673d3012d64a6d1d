// Keys. Letters work wherever the visitor is not writing; arrows, Delete and Enter belong to what has the focus.
const dialog = element.querySelector(".keys");
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HOLD = 300; // milliseconds after which a key counts as held
const KEY_REST = 150; // milliseconds without a key after which a correction is sent

function nudge(key, [dx, dy], far) {
  if (pendingSend === null) history.push(copy(prompt));
  undone = [];
  clearTimeout(pendingSend);
  const [x, y] = positionOf(key);
  move(key, x + dx * far, y + dy * far);
  layer("mask").classList.add("stale");
  pendingSend = setTimeout(send, KEY_REST);
}

function onHandle(event) {
  const key = event.target.dataset.key;
  if (!editable()) return false;
  if (ARROWS[event.key]) nudge(key, ARROWS[event.key], event.shiftKey ? 10 : 1);
  else if (["Delete", "Backspace"].includes(event.key) && key.startsWith("click")) {
    correct(() => prompt.clicks.splice(Number(key.replace(/\D/g, "")), 1));
    viewer().querySelector(".frame").focus();
  } else return false;
  return true;
}

function clickInBox() {
  const [x1, y1, x2, y2] = prompt.box || [0, 0, ...sizeOf()];
  click((x1 + x2) / 2, (y1 + y2) / 2);
  layer("points").lastElementChild.focus();
}

const LETTERS = {
  "+": () => viewer().zoom.in(),
  "=": () => viewer().zoom.in(),
  "-": () => viewer().zoom.out(),
  0: () => viewer().zoom.fit(),
  w: () => viewer().windowing.open(),
  i: () => editable() && setTool(tool === "include" ? "" : "include"),
  e: () => editable() && setTool(tool === "exclude" ? "" : "exclude"),
  d: () => editable() && setTool(tool === "draw" ? "" : "draw"),
  r: () => setTool(tool === "ruler" ? "" : "ruler"),
  u: undo,
  U: redo,
  Escape: () => {
    if (tool === "ruler") drawRuler(null);
    setTool("");
  },
};
const SLICES = { PageUp: -10, PageDown: 10, ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 };

// M held fills the mask; a short press shows or hides it.
let heldSince = null;
function holdMask(held) {
  layer("mask").classList.toggle("filled", held);
}
document.addEventListener("keyup", (event) => {
  if (event.key.toLowerCase() !== "m" || heldSince === null) return;
  const button = toggles.find((candidate) => candidate.dataset.layer === "mask");
  if (event.timeStamp - heldSince < HOLD && !button.disabled) toggle(button);
  heldSince = null;
  holdMask(false);
});
window.addEventListener("blur", () => {
  heldSince = null;
  holdMask(false);
});

// Up and down a volume, wherever the keys do not move something else.
function leaf(event) {
  const far = SLICES[event.key];
  const zoomed = event.key.startsWith("Arrow") && viewer().querySelector(".frame.zoomed");
  if (!far || zoomed || !viewer().slices?.count() || event.target.closest("summary, [role=toolbar]")) return false;
  viewer().slices.by(far);
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || dialog.open || event.target.closest("input, textarea, select, [contenteditable]")) return;
  if (event.key === "?") return dialog.showModal();
  const key = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && ["z", "y"].includes(key)) return event.preventDefault(), key === "y" || event.shiftKey ? redo() : undo();
  if (event.ctrlKey || event.metaKey || !viewer().picture) return;
  if (event.target.dataset.key && event.target.closest("#viewer") && onHandle(event)) return event.preventDefault();
  if (leaf(event)) return event.preventDefault();
  if (key === "m") {
    heldSince ??= event.timeStamp;
    return holdMask(true);
  }
  if (event.key === "Enter" && ["include", "exclude"].includes(tool) && editable() && event.target.matches("#viewer .frame")) return clickInBox();
  const button = toggles.find((candidate) => candidate.dataset.key === key);
  if (button && !button.disabled) toggle(button);
  else (LETTERS[event.key] ?? LETTERS[key])?.();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("#layers .help")) dialog.showModal();
});
follow(draw);
