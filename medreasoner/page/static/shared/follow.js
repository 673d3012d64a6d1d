// Put before the script of every component. `follow(show)` calls `show` for each new value, but for one that comes too late.
// A value that streams in names its `task`, the click that asked for it; a value about an answer names that answer's `run`. The workspace
// holds the current ones: a click sets the task (status/status.js), the first value of an accepted question sets the run, and Stop or a new
// image clears them. So nothing of a run that has been stopped or replaced is shown any more.
function isLate({ task, run } = {}) {
  const current = document.querySelector("#workspace").dataset;
  if (task && task !== current.task) return true;
  if (task && task === run) current.run = run;
  return Boolean(run) && run !== current.run;
}

function follow(show) {
  watch("value", () => {
    if (!isLate(props.value ?? undefined)) show();
  });
}

