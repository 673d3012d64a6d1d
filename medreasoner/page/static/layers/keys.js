// Keys. Letters work wherever the visitor is not writing; arrows, Delete and Enter belong to what has the focus.
const dialog = element.querySelector(".keys");
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEY_REST = 150; // milliseconds without a key after which a correction is sent

function nudge(key, [dx, dy], far) {
  if (pendingSend === null) history.push(copy(prompt));
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
  const [x1, y1, x2, y2] = prompt.box;
  click((x1 + x2) / 2, (y1 + y2) / 2);
  layer("points").lastElementChild.focus();
}

const LETTERS = {
  "+": () => viewer().zoom.in(),
  "=": () => viewer().zoom.in(),
  "-": () => viewer().zoom.out(),
  0: () => viewer().zoom.fit(),
  w: () => viewer().windowing.open(),
  i: () => editable() && setClickMode(clickMode === "include" ? "" : "include"),
  e: () => editable() && setClickMode(clickMode === "exclude" ? "" : "exclude"),
  u: undo,
  "?": () => dialog.showModal(),
  Escape: () => setClickMode(""),
};

document.addEventListener("keydown", (event) => {
  if (event.altKey || dialog.open || event.target.closest("input, textarea, select, [contenteditable]")) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") return event.preventDefault(), undo();
  if (event.ctrlKey || event.metaKey || !viewer().picture) return;
  if (event.target.dataset.key && event.target.closest("#viewer") && onHandle(event)) return event.preventDefault();
  if (event.key === "Enter" && clickMode && editable() && event.target.matches("#viewer .frame")) return clickInBox();
  const button = toggles.find((candidate) => candidate.dataset.key === event.key.toLowerCase());
  if (button && !button.disabled) toggle(button);
  else LETTERS[event.key.length === 1 ? event.key.toLowerCase() : event.key]?.();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("#viewer [data-help]")) dialog.showModal();
});
follow(draw);
