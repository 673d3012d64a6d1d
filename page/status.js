// The status line. Its phase is also set on the room, so that the style sheet can follow it.
// A click on Ask says so at once; the server's first word replaces it (another visitor may be ahead).
const line = element.querySelector("[role=status]");

function say(phase, text) {
  line.textContent = text;
  element.dataset.phase = phase;
  document.querySelector("#room").dataset.phase = phase;
}

function show() {
  say(props.value?.phase || "empty", props.value?.text || "");
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  document.querySelector("#ask").click();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#ask")) return;
  props.value = { phase: "waiting", text: "Waiting for a free place" };
  show();
});
watch("value", show);
show();
