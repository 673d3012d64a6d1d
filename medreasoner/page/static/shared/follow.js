// Put before the script of every component. `follow(show)` calls `show` for each new value.
// Every value names the `run` it belongs to (values between runs name none). A replaced run may still have an update under way: such a late
// value is dropped, so that it never lands on a newer image.
const replacedRuns = new Set();
let currentRun = null;

function follow(show) {
  watch("value", () => {
    const run = props.value?.run ?? null;
    if (replacedRuns.has(run)) return;
    if (currentRun !== null && run !== currentRun) replacedRuns.add(currentRun);
    currentRun = run;
    show();
  });
}

