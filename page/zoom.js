// Zoom and pan. The stage itself grows, so that lines keep their width and layers stay where they belong; 1 is the whole image in its frame.
const MOST = 40;
const STEP = 1.25;
const at = { zoom: 1, x: 0, y: 0 }; // x, y: how far the image's middle lies from the frame's, in pixels of the screen
const fingers = new Map();
let dragged = false;

function put({ zoom, x, y }) {
  at.zoom = Math.min(MOST, Math.max(1, zoom));
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
  const grown = Math.min(MOST, Math.max(1, at.zoom * factor)) / at.zoom;
  put({ zoom: at.zoom * grown, x: fromX - (fromX - at.x) * grown, y: fromY - (fromY - at.y) * grown });
}

function zoomMiddle(factor) {
  const room = frame.getBoundingClientRect();
  zoomBy(factor, room.x + room.width / 2, room.y + room.height / 2);
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
});
frame.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  if (fingers.size === 2) {
    const [other] = [...fingers.values()].filter((finger) => finger.pointerId !== event.pointerId);
    const apart = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
    zoomBy(apart(event) / Math.max(1, apart(before)), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
  } else if (dragged || Math.hypot(event.clientX - before.clientX, event.clientY - before.clientY) > 3) {
    if (!dragged) frame.setPointerCapture(event.pointerId);
    dragged = true;
    put({ zoom: at.zoom, x: at.x + event.clientX - before.clientX, y: at.y + event.clientY - before.clientY });
  } else return;
  fingers.set(event.pointerId, event);
});
["pointerup", "pointercancel"].forEach((end) => frame.addEventListener(end, (event) => fingers.delete(event.pointerId)));
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
