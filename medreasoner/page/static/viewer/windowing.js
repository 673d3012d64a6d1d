// Window and level: values from level - window / 2 to level + window / 2 are spread over black to white. An image with values of its own
// (HU) is previewed here and made again by the server in that window; of one with 8 bits only what the screen shows changes.
const windowPanel = element.querySelector(".windowing");
const windowButton = () => document.querySelector("#layers [data-windowing]");
const [windowSlider, levelSlider] = windowPanel.querySelectorAll("input");
const presets = windowPanel.querySelector("select");
const EIGHT_BITS = { window: 255, level: 128 };
let windowDrag = null; // where a drag with Shift began

// Values of its own, from black to white along a straight line.
const hasOwnValues = () => Boolean(props.value?.limits && props.value.range && props.value.limits[1] > props.value.limits[0]);
function asOpened() {
  if (!hasOwnValues()) return EIGHT_BITS;
  const [low, high] = props.value.limits;
  return { window: high - low, level: (low + high) / 2 };
}

function setWindow({ window: width, level }) {
  windowSlider.value = width;
  levelSlider.value = level;
  const [w, l] = [Number(windowSlider.value), Number(levelSlider.value)];
  const [low, high] = hasOwnValues() ? props.value.limits : [0, 255];
  const opened = asOpened();
  const unchanged = Math.abs(w - opened.window) < 1 && Math.abs(l - opened.level) < 1;
  element.querySelectorAll("feComponentTransfer > *").forEach((ramp) => {
    ramp.setAttribute("slope", (high - low) / w);
    ramp.setAttribute("intercept", (low - l) / w + 0.5);
  });
  image.style.filter = unchanged ? "" : "url(#window-level)";
  windowPanel.querySelector("output").textContent = told(w, l, unchanged);
  windowButton()?.classList.toggle("on", !unchanged);
}

function told(w, l, unchanged) {
  const [from, to] = [Math.round(l - w / 2), Math.round(l + w / 2)];
  if (hasOwnValues()) return `${from} to ${to} ${props.value.unit}`.trim();
  return unchanged ? "as opened" : `${Math.max(0, from)} to ${Math.min(255, to)} of 255`;
}

// The server makes the image again from its own values.
function commitWindow() {
  const { window: w, level } = getWindow();
  const opened = asOpened();
  if (hasOwnValues() && (Math.abs(w - opened.window) >= 1 || Math.abs(level - opened.level) >= 1)) {
    trigger("select_view", { ...props.value.view, window: `${Math.round(level)}/${Math.round(w)}` });
  }
}

function openWindowPanel(open = windowPanel.hidden) {
  windowPanel.hidden = !open;
  windowButton().setAttribute("aria-expanded", open);
}

function fitSliders({ range, choices, view }) {
  const own = hasOwnValues();
  const [least, most] = own ? range : [0, 255];
  Object.assign(windowSlider, { min: own ? 1 : 4, max: own ? Math.max(2, most - least, asOpened().window) : 255 });
  Object.assign(levelSlider, { min: own ? Math.min(least, asOpened().level) : 0, max: own ? Math.max(most, asOpened().level) : 255 });
  const names = choices.windows;
  const shown = names.includes(view.window) ? names : [...names, view.window].filter(Boolean);
  windowPanel.querySelector(".preset").hidden = names.length < 2;
  presets.replaceChildren(...shown.map((name) => new Option(name, name, false, name === view.window)));
}

const getWindow = () => ({ window: Number(windowSlider.value), level: Number(levelSlider.value) });
windowPanel.addEventListener("input", (event) => event.target !== presets && setWindow(getWindow()));
windowPanel.addEventListener("change", (event) => {
  if (event.target === presets) trigger("select_view", { ...props.value.view, window: presets.value });
  else commitWindow();
});
windowPanel.querySelector("[data-reset]").addEventListener("click", () => {
  if (hasOwnValues()) trigger("select_view", { ...props.value.view, window: null });
  else setWindow(EIGHT_BITS);
});
document.addEventListener("click", (event) => event.target.closest("#layers [data-windowing]") && openWindowPanel());
frame.addEventListener("pointerdown", (event) => {
  if (!props.value || !event.shiftKey || event.button !== 0) return;
  windowDrag = { x: event.clientX, y: event.clientY, ...getWindow(), speed: asOpened().window / 510 };
  frame.setPointerCapture(event.pointerId);
  openWindowPanel(true);
});
frame.addEventListener("pointermove", (event) => {
  if (!windowDrag) return;
  const { x, y, window: w, level, speed } = windowDrag;
  setWindow({ window: w + (event.clientX - x) * speed, level: level + (event.clientY - y) * speed });
});
["pointerup", "pointercancel"].forEach((end) => frame.addEventListener(end, () => {
  if (windowDrag) commitWindow();
  windowDrag = null;
}));
onPicture.push((picture) => {
  const kept = getWindow();
  fitSliders(picture);
  setWindow(sameFile && !hasOwnValues() ? kept : asOpened());
});
host.windowing = { get: getWindow, put: setWindow, open: openWindowPanel };
