// The status line. Its phase is also set on the workspace, so that the style sheet can follow it.
// A click on Ask is acknowledged at once; the server's first status replaces it (another visitor may be ahead).
// Ask and Stop are enabled here, by the phase: a visitor in line can leave it, and no late update leaves a button as it should not be.
const line = element.querySelector("[role=status]");
const workspace = () => document.querySelector("#workspace");
const RUNNING = ["waiting", "loading", "reading", "thinking", "outlining", "sampling"];

function showStatus({ phase = "empty", text = "", warning = false }) {
  line.textContent = text;
  element.dataset.phase = phase;
  element.classList.toggle("warning", warning);
  workspace().dataset.phase = phase;
  const running = RUNNING.includes(phase);
  document.querySelectorAll("#ask, #ask-volume, #compare, #stop").forEach((button) => (button.disabled = running === (button.id !== "stop")));
  document.querySelectorAll("#confidence button").forEach((button) => (button.disabled = phase !== "done"));
  document.dispatchEvent(new CustomEvent("status", { detail: { phase, warning } }));
}

// Set as the value too: else the server's same sentence as before would be no change.
function showNow(status) {
  props.value = status;
  showStatus(status);
}

const newTask = () => (workspace().dataset.task = crypto.getRandomValues(new Uint32Array(4)).join("-"));

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  document.querySelector("#ask").click();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("#ask, #ask-volume, #compare")) newTask();
}, { capture: true }); // before Gradio reads it
document.addEventListener("click", (event) => {
  if (!event.target.closest("#ask, #ask-volume, #compare")) return;
  showNow({ phase: "waiting", text: "Waiting for a free place" });
  trigger("queued");
});
document.addEventListener("sample", () => {
  newTask();
  showNow({ phase: "sampling", text: "Waiting for a free place" });
});
// A place in line that comes after the question has had its turn is no news.
follow(() => {
  const value = props.value || {};
  if (value.phase !== "waiting" || workspace().dataset.phase === "waiting") showStatus(value);
});
showStatus(props.value || {});
