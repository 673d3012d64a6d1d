// The ruler: a line along what is to be measured, with its length in mm where the spacing of the pixels is known, else in pixels.
let rulerStart = null;
const rulerLabel = () => viewer().querySelector(".ruler-length");

function drawRuler(from, to) {
  const [width, height] = sizeOf();
  layer("ruler").setAttribute("viewBox", `0 0 ${width} ${height}`);
  layer("ruler").querySelectorAll("path").forEach((line) => line.setAttribute("d", from ? `M${from}L${to}` : ""));
  layer("ruler").classList.toggle("drawn", Boolean(from));
  rulerLabel().hidden = !from;
  if (!from) return;
  const spacing = viewer().picture.spacing;
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx * (spacing?.[0] ?? 1), dy * (spacing?.[1] ?? 1));
  rulerLabel().textContent = spacing ? `${length.toFixed(1)} mm` : `${length.toFixed(0)} px`;
  rulerLabel().style.left = `${(100 * to[0]) / width}%`;
  rulerLabel().style.top = `${(100 * to[1]) / height}%`;
}

document.addEventListener("pointerdown", (event) => {
  if (tool !== "ruler" || event.button !== 0 || !event.target.closest("#viewer .stage")) return;
  event.stopPropagation();
  event.preventDefault();
  rulerStart = inImage(event);
  drawRuler(null);
}, { capture: true });
document.addEventListener("pointermove", (event) => rulerStart && drawRuler(rulerStart, inImage(event)));
["pointerup", "pointercancel"].forEach((end) => document.addEventListener(end, () => (rulerStart = null)));
document.addEventListener("picture", () => drawRuler(null));
