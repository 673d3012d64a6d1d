// The strip of examples: one button with a thumbnail each. A click asks the server for that example by its place in the list.
const strip = element.querySelector(".strip");
strip.replaceChildren(
  ...(props.value || []).map(({ thumbnail, modality, question }, index) => {
    const button = document.createElement("button");
    const image = document.createElement("img");
    button.type = "button";
    button.title = question;
    image.src = thumbnail;
    image.alt = "";
    button.append(image, modality);
    button.addEventListener("click", () => trigger("pick", { index }));
    return button;
  }),
);
