// Files by drop and paste, several at once and whole folders.
const carriesFile = (event) => event.dataTransfer?.types.includes("Files");

// The files of a dropped file or folder.
async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!some.length) return files;
    for (const one of some) files.push(...(await filesOf(one)));
  }
}

document.addEventListener("dragover", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  element.classList.add("under-file");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) element.classList.remove("under-file");
});
document.addEventListener("drop", async (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  element.classList.remove("under-file");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...event.dataTransfer.files];
  const files = entries.some((entry) => entry.isDirectory) ? (await Promise.all(entries.map(filesOf))).flat() : plain;
  uploadFiles(files.filter(({ name }) => !name.startsWith(".") && name !== "DICOMDIR"));
});
document.addEventListener("paste", (event) => {
  if (uploadFiles(event.clipboardData.files)) event.preventDefault();
});
