// The answers about this image, one line each: a click shows one again with its layers, "Compare" lays it beside the one that is shown.
const list = element.querySelector("ol");
const section = element.querySelector("section");

function textButton(text, label, click) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.append(...[text].flat());
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", click);
  return button;
}

function entry({ id, question, finding }, shown) {
  const item = document.createElement("li");
  const asked = Object.assign(document.createElement("span"), { textContent: question });
  const found = Object.assign(document.createElement("b"), { textContent: finding });
  const bring = textButton([asked, found], "", () => {
    document.querySelector("#workspace").dataset.task = id;
    trigger("recall", { id });
  });
  if (id === shown) bring.setAttribute("aria-current", "true");
  item.append(bring);
  if (id !== shown) item.append(textButton("Compare", `Compare with: ${question}`, () => trigger("contrast", { id })));
  return item;
}

follow(() => {
  const { lines = [], shown = null } = props.value || {};
  section.hidden = lines.length < 2;
  list.replaceChildren(...lines.map((line) => entry(line, shown)).reverse());
});
document.addEventListener("status", ({ detail }) => {
  const running = ["waiting", "loading", "reading", "thinking", "outlining", "sampling", "opening"].includes(detail.phase);
  list.querySelectorAll("button").forEach((button) => (button.disabled = running));
  if (detail.phase === "thinking") list.querySelector("[aria-current]")?.removeAttribute("aria-current"); // another answer is coming
});
