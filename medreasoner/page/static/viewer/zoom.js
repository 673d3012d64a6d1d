// Zoom and pan. The stage itself grows, so that lines keep their width and layers stay where they belong; 1 is the whole image in its frame.
const MOST = 40;
const STEP = 1.25;
const at = { zoom: 1, x: 0, y: 0 }; // x, y: how far the image's middle lies from the frame's, in pixels of the screen
const within = (zoom) => Math.min(MOST, Math.max(1, zoom));
const fingers = new Map();
let dragged = false;
let grip = null; // where image and fingers were when there came to be two of them

function put({ zoom, x, y }) {
  at.zoom = within(zoom);
  const fit = stage.getBoundingClientRect().width / (Number(stage.style.getPropertyValue("--zoom")) || 1);
  const room = frame.getBoundingClientRect();
  const width = fit * at.zoom;
  const height = (width * stage.style.getPropertyValue("--height")) / stage.style.getPropertyValue("--width");
  const [farX, farY] = [Math.max(0, (width - room.width) / 2), Math.max(0, (height - room.height) / 2)];
  at.x = Math.min(farX, Math.max(-farX, x));
  at.y = Math.min(farY, Math.max(-farY, y));
  Object.entries({ zoom: at.zoom, x: `${at.x}px`, y: `${at.y}px` }).forEach(([name, value]) => stage.style.setProperty(`--${name}`, value));
  frame.classList.toggle("zoomed", at.zoom > 1);
  element.querySelector("[data-zoom=fit]").textContent = at.zoom > 1 ? `${at.zoom.toFixed(at.zoom < 10 ? 1 : 0)}×` : "Fit";
  document.dispatchEvent(new CustomEvent("moved"));
}

function zoomBy(factor, clientX, clientY) {
  const room = frame.getBoundingClientRect();
  const [fromX, fromY] = [clientX - room.x - room.width / 2, clientY - room.y - room.height / 2];
  const grown = within(at.zoom * factor) / at.zoom;
  put({ zoom: at.zoom * grown, x: fromX - (fromX - at.x) * grown, y: fromY - (fromY - at.y) * grown });
}

function zoomMiddle(factor) {
  const room = frame.getBoundingClientRect();
  zoomBy(factor, room.x + room.width / 2, room.y + room.height / 2);
}

// How far two fingers are apart, and how far their middle lies from the frame's.
function between() {
  const room = frame.getBoundingClientRect();
  const [one, other] = fingers.values();
  const apart = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  const middle = [(one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2];
  return { apart: Math.max(1, apart), x: middle[0] - room.x - room.width / 2, y: middle[1] - room.y - room.height / 2 };
}

function regrip() {
  grip = fingers.size === 2 ? { ...at, fingers: between() } : null;
}

// What was between the fingers stays there. Counted from the grip, so that small steps do not add up to a drift.
function pinch() {
  const now = between();
  const grown = within((grip.zoom * now.apart) / grip.fingers.apart) / grip.zoom;
  put({ zoom: grip.zoom * grown, x: now.x - (grip.fingers.x - grip.x) * grown, y: now.y - (grip.fingers.y - grip.y) * grown });
}

const zooms = { in: () => zoomMiddle(STEP), out: () => zoomMiddle(1 / STEP), fit: () => put({ zoom: 1, x: 0, y: 0 }) };
element.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", zooms[button.dataset.zoom]));

frame.addEventListener("wheel", (event) => {
  if (!props.value || event.shiftKey) return;
  event.preventDefault();
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX, event.clientY);
}, { passive: false });
frame.addEventListener("dblclick", (event) => {
  if (!event.target.closest("button") && !frame.dataset.clicking) zooms.fit();
});
frame.addEventListener("pointerdown", (event) => {
  if (!props.value || event.shiftKey || event.button !== 0 || event.target.closest("button")) return;
  fingers.set(event.pointerId, event);
  dragged = fingers.size > 1;
  regrip();
});
frame.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  if (grip) {
    fingers.set(event.pointerId, event);
    pinch();
  } else if (dragged || Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) > 3) {
    if (!dragged) frame.setPointerCapture(event.pointerId);
    dragged = true;
    fingers.set(event.pointerId, event);
    put({ zoom: at.zoom, x: at.x + event.clientX - before.clientX, y: at.y + event.clientY - before.clientY });
  }
});
["pointerup", "pointercancel"].forEach((end) => frame.addEventListener(end, (event) => {
  if (fingers.delete(event.pointerId)) regrip();
}));
frame.addEventListener("click", (event) => {
  if (dragged) event.stopPropagation(); // the end of a drag is no click into the image
  dragged = false;
}, { capture: true });
frame.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (!step || event.target !== frame || at.zoom === 1) return;
  event.preventDefault();
  put({ zoom: at.zoom, x: at.x + step[0], y: at.y + step[1] });
});
new ResizeObserver(() => props.value && put(at)).observe(frame);
opened.push(zooms.fit);
host.zoom = { ...zooms, get: () => ({ ...at }), put };
