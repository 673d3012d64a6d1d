// The second model's answer: reading.js before this one fills its block; here its box, points and mask are drawn over the image, dotted and
// in one colour, with one toggle for all (S).
const block = element.querySelector(".beside");
const toggle = element.querySelector(".toggle");
const layersOf = () => [...document.querySelectorAll("#viewer .layer.second")];

function drawSecond() {
  const { name = "", layers = {} } = props.value || {};
  const { box, points = [], mask = "" } = layers;
  const [width, height] = ["--width", "--height"].map((side) => Number(document.querySelector("#viewer .stage").style.getPropertyValue(side)) || 1);
  block.hidden = !name;
  toggle.disabled = !box;
  const outline = box ? `M${box[0]} ${box[1]}H${box[2]}V${box[3]}H${box[0]}Z` : "";
  const [svg, marks] = layersOf();
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
  layersOf().forEach((layer) => layer.classList.toggle("drawn", Boolean(box)));
}

function turn() {
  const shown = toggle.getAttribute("aria-pressed") !== "true";
  toggle.setAttribute("aria-pressed", shown);
  layersOf().forEach((layer) => layer.classList.toggle("off", !shown));
}

toggle.addEventListener("click", turn);
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.key.toLowerCase() !== "s" || toggle.disabled) return;
  if (!document.querySelector("dialog[open]") && !event.target.closest("input, textarea, select, [contenteditable]")) turn();
});
follow(drawSecond);
