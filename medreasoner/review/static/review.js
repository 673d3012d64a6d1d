// The review page: shows the view that the server sends and sends back what the reviewer decides. It decides nothing itself.
// Modes: reading, editing, rejecting (choosing the reason). While a message is under way, keys wait for its answer.
const root = element.querySelector(".review");
const find = (selector) => root.querySelector(selector);
const question = find("[name=question]");
const think = find("[name=think]");
const undecided = find(".filter input");
const WORDS = { accept: "Accepted", edit: "Edited", reject: "Rejected" };
let view = null;
let busy = false;

function mode(name) {
  root.dataset.mode = name;
  question.readOnly = think.readOnly = name !== "editing";
  if (name === "rejecting") find(".verdict").textContent = "Rejected, because:";
  if (name === "editing") question.focus();
  else document.activeElement?.blur();
}

function send(event, data) {
  if (busy || !view) return;
  busy = true;
  root.setAttribute("aria-busy", "true");
  trigger(event, { id: view.id, undecided: undecided.checked, ...data });
}

function decide(decision, reason = "") {
  send("decide", { decision, reason, question: question.value, think: think.value });
}

const ACTS = {
  accept: () => decide("accept"),
  edit: () => mode("editing"),
  reject: () => mode("rejecting"),
  save: () => decide("edit"),
  leave: () => show(),
  undo: () => send("undo", {}),
  previous: () => send("go", { step: -1 }),
  next: () => send("go", { step: 1 }),
};

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight}px`;
}

function drawLayers({ width, height, box, points, mask }) {
  const [x1, y1, x2, y2] = box ?? [0, 0, 0, 0]; // nothing is drawn of an empty rectangle
  root.querySelectorAll("svg").forEach((svg) => svg.setAttribute("viewBox", `0 0 ${width} ${height}`));
  root.querySelectorAll(".box rect").forEach((rect) =>
    Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 }).forEach(([name, value]) => rect.setAttribute(name, value)),
  );
  find(".mask path").setAttribute("d", mask);
  find(".points").replaceChildren(
    ...points.map(([x, y], index) => {
      const disc = document.createElement("span");
      disc.textContent = index + 1;
      disc.style.left = `${(100 * x) / width}%`;
      disc.style.top = `${(100 * y) / height}%`;
      return disc;
    }),
  );
}

function drawPicture(picture) {
  root.classList.toggle("blind", !picture);
  find(".size").textContent = picture ? `${picture.width} × ${picture.height} px` : "";
  if (!picture) return;
  const image = find("img");
  find(".stage").style.setProperty("--width", picture.width);
  find(".stage").style.setProperty("--height", picture.height);
  image.src = picture.src;
  image.alt = `Image of sample ${view.id}, ${picture.width} by ${picture.height} pixels`;
  drawLayers(picture);
}

function drawProgress({ number, total, tally, reviewer }) {
  const done = tally.accept + tally.edit + tally.reject;
  const parts = [`${tally.accept} accepted`, `${tally.edit} edited`, `${tally.reject} rejected`];
  find(".count").textContent = `Sample ${number} of ${total} · ${reviewer} has decided ${done === total ? "all" : done}: ${parts.join(", ")}`;
  root.querySelectorAll(".bar i").forEach((part) => (part.style.width = `${(100 * tally[part.dataset.of]) / total}%`));
}

function show() {
  const problem = view.problem;
  const stays = problem && root.dataset.mode === "editing" && view.id === root.dataset.id; // a refused edit: the reviewer's text stays
  if (!stays) {
    question.value = view.question;
    think.value = view.think;
    mode("reading");
  }
  if (view.id !== root.dataset.id) drawPicture(view.picture);
  root.dataset.id = view.id;
  drawProgress(view);
  find(".facts").textContent = view.facts.join(" · ");
  find(".remark").textContent = view.remark ? `Automatic check: ${view.remark}` : "";
  find(".verdict").textContent = view.decision ? `${WORDS[view.decision]}${view.reason ? `: ${view.reason}` : ""}` : "Undecided";
  find(".verdict").dataset.decision = view.decision;
  find(".problem").textContent = problem;
  find(".agreements").textContent = view.agreements.join(" · ");
  [question, think].forEach(fit);
}

function receive() {
  if (!props.value) return;
  view = props.value;
  busy = false;
  root.setAttribute("aria-busy", "false");
  show();
}

function press(button) {
  if (button.dataset.reason) decide("reject", button.dataset.reason);
  else if (button.dataset.layer) {
    const shown = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", shown);
    find(`.layer.${button.dataset.layer}`).classList.toggle("off", !shown);
  } else {
    if (button.dataset.do === "leave") view.problem = "";
    ACTS[button.dataset.do]();
  }
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) press(button);
});
root.addEventListener("input", (event) => event.target.matches("textarea") && fit(event.target));
new ResizeObserver(() => [question, think].forEach(fit)).observe(find(".words"));

document.addEventListener("keydown", (event) => {
  const editing = root.dataset.mode === "editing";
  if (editing && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    ACTS.save();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || (editing && event.key !== "Escape")) return;
  if (event.key.toLowerCase() === "f") undecided.click(); // the server is told with the next message
  const keyed = [...root.querySelectorAll(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`)];
  const button = keyed.find((candidate) => candidate.checkVisibility());
  if (!button) return;
  event.preventDefault();
  press(button);
});
watch("value", receive);
receive();
