// Window and level of the 8 bits that are shown: grey values from level - window / 2 to level + window / 2 are spread over black to white.
// Only the picture on the screen changes; the model always gets the image as it was opened.
const windowPanel = element.querySelector(".windowing");
const windowButton = element.querySelector("[data-windowing]");
const [windowSlider, levelSlider] = windowPanel.querySelectorAll("input");
const AS_OPENED = { window: 255, level: 128 };
let windowDrag = null; // where a drag with Shift began

function setWindow({ window: width, level }) {
  windowSlider.value = width;
  levelSlider.value = level;
  const [w, l] = [Number(windowSlider.value), Number(levelSlider.value)];
  const asOpened = w === AS_OPENED.window && l === AS_OPENED.level;
  element.querySelectorAll("feComponentTransfer > *").forEach((ramp) => {
    ramp.setAttribute("slope", 255 / w);
    ramp.setAttribute("intercept", 0.5 - l / w);
  });
  image.style.filter = asOpened ? "" : "url(#window-level)";
  windowPanel.querySelector("output").textContent = asOpened ? "as opened" : `${Math.max(0, Math.round(l - w / 2))} to ${Math.min(255, Math.round(l + w / 2))} of 255`;
  windowButton.classList.toggle("on", !asOpened);
}

function openWindowPanel(open = windowPanel.hidden) {
  windowPanel.hidden = !open;
  windowButton.setAttribute("aria-expanded", open);
}

const getWindow = () => ({ window: Number(windowSlider.value), level: Number(levelSlider.value) });
windowPanel.addEventListener("input", () => setWindow(getWindow()));
windowPanel.querySelector("[data-reset]").addEventListener("click", () => setWindow(AS_OPENED));
windowButton.addEventListener("click", () => openWindowPanel());
frame.addEventListener("pointerdown", (event) => {
  if (!props.value || !event.shiftKey || event.button !== 0) return;
  windowDrag = { x: event.clientX, y: event.clientY, ...getWindow() };
  frame.setPointerCapture(event.pointerId);
  openWindowPanel(true);
});
frame.addEventListener("pointermove", (event) => {
  if (!windowDrag) return;
  setWindow({ window: windowDrag.window + (event.clientX - windowDrag.x) / 2, level: windowDrag.level + (event.clientY - windowDrag.y) / 2 });
});
["pointerup", "pointercancel"].forEach((end) => frame.addEventListener(end, () => (windowDrag = null)));
onPicture.push(() => setWindow(AS_OPENED));
host.windowing = { get: getWindow, put: setWindow, open: openWindowPanel };
