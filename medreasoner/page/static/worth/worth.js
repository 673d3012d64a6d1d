// What the model is worth on this kind of image, from its own card.
follow(() => {
  const { model = "", text = "" } = props.value || {};
  element.querySelector("b").textContent = model;
  element.querySelector("span").textContent = text && `, ${text}`;
});
