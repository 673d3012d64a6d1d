// The files of a finished run: one button each. The server sends a file as a data URL, with an id of its own, and it is saved once.
const bar = element.querySelector(".bar");
const fileButtons = element.querySelector(".files");
let lastSaved = null;

function save({ id, name, url }) {
  if (id === lastSaved) return;
  lastSaved = id;
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
}

function show() {
  const { kinds = [], file, note = "" } = props.value || {};
  bar.hidden = !kinds.length;
  element.querySelector(".note").textContent = note;
  element.querySelector(".note").hidden = !note || !kinds.length;
  const shown = [...fileButtons.children].map((button) => button.dataset.kind);
  if (kinds.map(({ kind }) => kind).join() !== shown.join()) {
    fileButtons.replaceChildren(
      ...kinds.map(({ kind, label }) => {
        const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
        button.dataset.kind = kind;
        button.addEventListener("click", () => trigger("fetch", { kind }));
        return button;
      }),
    );
  }
  if (file) save(file);
}

follow(show);
show();
