// Window and level of the 8 bits that are shown: grey values from level - window / 2 to level + window / 2 are spread over black to white.
// Only the picture on the screen changes; the model always gets the image as it was opened.
const panel = element.querySelector(".shades");
const [windowSlider, levelSlider] = panel.querySelectorAll("input");
const PLAIN = { window: 255, level: 128 };
let shading = null; // where a drag with Shift began

function shade({ window: width, level }) {
  windowSlider.value = width;
  levelSlider.value = level;
  const [w, l] = [Number(windowSlider.value), Number(levelSlider.value)];
  const plain = w === PLAIN.window && l === PLAIN.level;
  element.querySelectorAll("feComponentTransfer > *").forEach((ramp) => {
    ramp.setAttribute("slope", 255 / w);
    ramp.setAttribute("intercept", 0.5 - l / w);
  });
  image.style.filter = plain ? "" : "url(#window-level)";
  panel.querySelector("output").textContent = plain ? "as opened" : `${Math.max(0, Math.round(l - w / 2))} to ${Math.min(255, Math.round(l + w / 2))} of 255`;
  element.querySelector("[data-shades]").classList.toggle("on", !plain);
}

function openShades(open = panel.hidden) {
  panel.hidden = !open;
  element.querySelector("[data-shades]").setAttribute("aria-expanded", open);
}

const shades = () => ({ window: Number(windowSlider.value), level: Number(levelSlider.value) });
panel.addEventListener("input", () => shade(shades()));
panel.querySelector("[data-reset]").addEventListener("click", () => shade(PLAIN));
element.querySelector("[data-shades]").addEventListener("click", () => openShades());
frame.addEventListener("pointerdown", (event) => {
  if (!props.value || !event.shiftKey || event.button !== 0) return;
  shading = { x: event.clientX, y: event.clientY, ...shades() };
  frame.setPointerCapture(event.pointerId);
  openShades(true);
});
frame.addEventListener("pointermove", (event) => {
  if (shading) shade({ window: shading.window + (event.clientX - shading.x) / 2, level: shading.level + (event.clientY - shading.y) / 2 });
});
["pointerup", "pointercancel"].forEach((end) => frame.addEventListener(end, () => (shading = null)));
opened.push(() => shade(PLAIN));
host.shades = { get: shades, put: shade, open: openShades };
