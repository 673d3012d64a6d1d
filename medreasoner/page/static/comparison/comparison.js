// The second model's answer, or an earlier one of the same model, shown by shared/answer_block.js; its box, points and mask are drawn over the image, dotted and in one colour,
// with one toggle for all (S).
const panel = element.querySelector(".panel");
const toggle = element.querySelector(".toggle");
const overlays = () => [...document.querySelectorAll("#viewer .layer.comparison")];

function drawComparison() {
  const { name = "", layers = {} } = props.value || {};
  const { box, points = [], mask = "" } = layers;
  const [width, height] = ["--width", "--height"].map((side) => Number(document.querySelector("#viewer .stage").style.getPropertyValue(side)) || 1);
  panel.hidden = !name;
  toggle.disabled = !box;
  const outline = box ? `M${box[0]} ${box[1]}H${box[2]}V${box[3]}H${box[0]}Z` : "";
  const [svg, marks] = overlays();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.querySelector(".fill").setAttribute("d", mask || "");
  [".halo", ".line"].forEach((line) => svg.querySelector(line).setAttribute("d", outline));
  marks.replaceChildren(
    ...points.map(([x, y], index) => {
      const mark = document.createElement("b");
      mark.textContent = index + 1;
      mark.style.left = `${(100 * x) / width}%`;
      mark.style.top = `${(100 * y) / height}%`;
      return mark;
    }),
  );
  overlays().forEach((layer) => layer.classList.toggle("drawn", Boolean(box)));
}

function toggleOverlays() {
  const shown = toggle.getAttribute("aria-pressed") !== "true";
  toggle.setAttribute("aria-pressed", shown);
  overlays().forEach((layer) => layer.classList.toggle("off", !shown));
}

toggle.addEventListener("click", toggleOverlays);
element.querySelector(".away").addEventListener("click", () => {
  props.value = {};
  showAnswer();
  drawComparison();
});
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.key.toLowerCase() !== "s" || toggle.disabled) return;
  if (!document.querySelector("dialog[open]") && !event.target.closest("input, textarea, select, [contenteditable]")) toggleOverlays();
});
follow(() => {
  showAnswer();
  drawComparison();
});
