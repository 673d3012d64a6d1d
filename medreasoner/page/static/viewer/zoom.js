// Zoom and pan. The stage itself grows, so that lines keep their width and layers stay where they belong; 1 is the whole image in its frame.
const MAX_ZOOM = 40;
const STEP = 1.25;
const position = { zoom: 1, x: 0, y: 0 }; // x, y: how far the image's middle lies from the frame's, in pixels of the screen
const clampZoom = (zoom) => Math.min(MAX_ZOOM, Math.max(1, zoom));
const pointers = new Map(); // id -> last event
let dragged = false;
let pinchStart = null; // the position and both fingers when the second came down

function moveTo({ zoom, x, y }) {
  position.zoom = clampZoom(zoom);
  const fit = stage.getBoundingClientRect().width / (Number(stage.style.getPropertyValue("--zoom")) || 1);
  const area = frame.getBoundingClientRect();
  const width = fit * position.zoom;
  const height = (width * stage.style.getPropertyValue("--height")) / stage.style.getPropertyValue("--width");
  const [farX, farY] = [Math.max(0, (width - area.width) / 2), Math.max(0, (height - area.height) / 2)];
  position.x = Math.min(farX, Math.max(-farX, x));
  position.y = Math.min(farY, Math.max(-farY, y));
  Object.entries({ zoom: position.zoom, x: `${position.x}px`, y: `${position.y}px` }).forEach(([name, value]) => stage.style.setProperty(`--${name}`, value));
  frame.classList.toggle("zoomed", position.zoom > 1);
  const fitButton = document.querySelector("#layers [data-zoom=fit]");
  if (fitButton) fitButton.textContent = position.zoom > 1 ? `${position.zoom.toFixed(position.zoom < 10 ? 1 : 0)}×` : "Fit";
  document.dispatchEvent(new CustomEvent("moved"));
}

function zoomBy(factor, clientX, clientY) {
  const area = frame.getBoundingClientRect();
  const [fromX, fromY] = [clientX - area.x - area.width / 2, clientY - area.y - area.height / 2];
  const grown = clampZoom(position.zoom * factor) / position.zoom;
  moveTo({ zoom: position.zoom * grown, x: fromX - (fromX - position.x) * grown, y: fromY - (fromY - position.y) * grown });
}

function zoomMiddle(factor) {
  const area = frame.getBoundingClientRect();
  zoomBy(factor, area.x + area.width / 2, area.y + area.height / 2);
}

// How far two fingers are apart, and how far their middle lies from the frame's.
function fingerSpread() {
  const area = frame.getBoundingClientRect();
  const [one, other] = pointers.values();
  const apart = Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  const middle = [(one.clientX + other.clientX) / 2, (one.clientY + other.clientY) / 2];
  return { apart: Math.max(1, apart), x: middle[0] - area.x - area.width / 2, y: middle[1] - area.y - area.height / 2 };
}

function startPinch() {
  pinchStart = pointers.size === 2 ? { ...position, fingers: fingerSpread() } : null;
}

// What was between the fingers stays there. Counted from its start, so that small steps do not add up to a drift.
function pinch() {
  const now = fingerSpread();
  const grown = clampZoom((pinchStart.zoom * now.apart) / pinchStart.fingers.apart) / pinchStart.zoom;
  moveTo({ zoom: pinchStart.zoom * grown, x: now.x - (pinchStart.fingers.x - pinchStart.x) * grown, y: now.y - (pinchStart.fingers.y - pinchStart.y) * grown });
}

const zooms = { in: () => zoomMiddle(STEP), out: () => zoomMiddle(1 / STEP), fit: () => moveTo({ zoom: 1, x: 0, y: 0 }) };
document.addEventListener("click", (event) => zooms[event.target.closest("#layers [data-zoom]")?.dataset.zoom]?.());

frame.addEventListener("wheel", (event) => {
  if (!props.value || event.shiftKey) return;
  event.preventDefault();
  if (!event.ctrlKey && host.slices.count()) return host.slices.wheel(event.deltaY);
  zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX, event.clientY);
}, { passive: false });
frame.addEventListener("dblclick", (event) => {
  if (!event.target.closest("button") && !frame.dataset.tool) zooms.fit();
});
frame.addEventListener("pointerdown", (event) => {
  if (!props.value || event.shiftKey || event.button !== 0 || event.target.closest("button")) return;
  pointers.set(event.pointerId, event);
  dragged = pointers.size > 1;
  startPinch();
});
frame.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  if (pinchStart) {
    pointers.set(event.pointerId, event);
    pinch();
  } else if (dragged || Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) > 3) {
    if (!dragged) frame.setPointerCapture(event.pointerId);
    dragged = true;
    pointers.set(event.pointerId, event);
    moveTo({ zoom: position.zoom, x: position.x + event.clientX - before.clientX, y: position.y + event.clientY - before.clientY });
  }
});
["pointerup", "pointercancel"].forEach((end) => frame.addEventListener(end, (event) => {
  if (pointers.delete(event.pointerId)) startPinch();
}));
frame.addEventListener("click", (event) => {
  if (dragged) event.stopPropagation(); // the end of a drag is no click into the image
  dragged = false;
}, { capture: true });
frame.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (!step || event.target !== frame || position.zoom === 1) return;
  event.preventDefault();
  moveTo({ zoom: position.zoom, x: position.x + step[0], y: position.y + step[1] });
});
new ResizeObserver(() => props.value && moveTo(position)).observe(frame);
onPicture.push(() => (sameFile ? moveTo(position) : zooms.fit()));
host.zoom = { ...zooms, get: () => ({ ...position }), put: moveTo };
