// Put before the script of every component.
// A run that was replaced may still have an update under way; such a late value is dropped, so that it never lands on a newer image.
// Every value names its `run`; the values between runs name none.
const replaced = new Set();
let current = null;

function follow(show) {
  watch("value", () => {
    const run = props.value?.run ?? null;
    if (replaced.has(run)) return;
    if (current !== null && run !== current) replaced.add(current);
    current = run;
    show();
  });
}

