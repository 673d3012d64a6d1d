// The status line. Its phase is also set on the workspace, so that the style sheet can follow it.
// A click on Ask is acknowledged at once; the server's first status replaces it (another visitor may be ahead).
// Ask and Stop are enabled here, by the phase: a visitor in line can leave it, and no late update leaves a button as it should not be.
const line = element.querySelector("[role=status]");
const RUNNING = ["waiting", "reading", "thinking", "outlining", "sampling"];

function showStatus(phase, text) {
  line.textContent = text;
  element.dataset.phase = phase;
  document.querySelector("#workspace").dataset.phase = phase;
  const running = RUNNING.includes(phase);
  document.querySelectorAll("#ask, #compare, #stop").forEach((button) => (button.disabled = running === (button.id !== "stop")));
  document.querySelectorAll("#confidence button").forEach((button) => (button.disabled = phase !== "done"));
}

function show() {
  showStatus(props.value?.phase || "empty", props.value?.text || "");
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  document.querySelector("#ask").click();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#ask, #compare")) return;
  props.value = { phase: "waiting", text: "Waiting for a free place", run: null };
  show();
});
document.addEventListener("sample", () => {
  props.value = { phase: "sampling", text: "Waiting for a free place", run: props.value?.run ?? null }; // belongs to the run that is shown
  show();
});
follow(show);
show();
