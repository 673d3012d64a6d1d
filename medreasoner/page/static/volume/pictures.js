// Three planes through the mask, and the mask from all around: a film of views, turned by dragging or with the arrow keys.
const pictures = stack.querySelector(".pictures");
let shownFilm = "";
let turn = 0;

function plane({ name, src, width, height, mask, top, bottom }) {
  const figure = document.createElement("figure");
  const box = document.createElement("div");
  box.className = "plane";
  box.style.setProperty("--ratio", width / height);
  const image = Object.assign(document.createElement("img"), { src, alt: `The ${name} plane through the middle of the target` });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const path = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  path.setAttribute("d", mask);
  svg.setAttribute("aria-hidden", "true");
  box.append(image, svg);
  box.addEventListener("click", (event) => {
    const { y, height: high } = box.getBoundingClientRect();
    goTo(Math.round(top + ((event.clientY - y) / high) * (bottom - top)));
  });
  figure.append(box, Object.assign(document.createElement("figcaption"), { textContent: name }));
  return figure;
}

function surface({ film, turns }) {
  const figure = document.createElement("figure");
  const view = document.createElement("div");
  view.className = "surface";
  view.tabIndex = 0;
  view.setAttribute("role", "slider");
  view.setAttribute("aria-label", "The mask in space, turned");
  view.setAttribute("aria-valuemin", 0);
  view.setAttribute("aria-valuemax", 360);
  view.style.backgroundImage = `url(${film})`;
  view.style.backgroundSize = `${100 * turns}% 100%`;
  const put = (value) => {
    turn = ((value % turns) + turns) % turns;
    view.style.backgroundPositionX = `${(100 * turn) / (turns - 1)}%`;
    view.setAttribute("aria-valuenow", (360 * turn) / turns);
    view.setAttribute("aria-valuetext", `${(360 * turn) / turns} degrees`);
  };
  let from = null;
  view.addEventListener("pointerdown", (event) => {
    from = { x: event.clientX, turn };
    view.setPointerCapture(event.pointerId);
  });
  view.addEventListener("pointermove", (event) => from && put(from.turn + Math.round((event.clientX - from.x) / 12)));
  ["pointerup", "pointercancel"].forEach((end) => view.addEventListener(end, () => (from = null)));
  view.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation(); // the slice stays
    put(turn + by);
  });
  put(turn);
  figure.append(view, Object.assign(document.createElement("figcaption"), { textContent: "drag: turn" }));
  return figure;
}

function showPictures(run) {
  pictures.hidden = !run?.film;
  if (pictures.hidden || shownFilm === run.film) return;
  shownFilm = run.film;
  pictures.replaceChildren(...run.planes.map(plane), surface(run));
}
show();
