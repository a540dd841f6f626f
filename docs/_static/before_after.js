// The slider of a pair of pictures tells its place to the style sheet.
document.addEventListener("input", (event) => {
  const pair = event.target.closest(".before-after");
  if (pair) pair.style.setProperty("--at", `${event.target.value}%`);
});
