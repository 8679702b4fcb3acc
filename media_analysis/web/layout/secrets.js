// What is shown once: a form with data-reveals="token" shows that field of the answer in its own `.secret`.
document.addEventListener("acted", (event) => {
  const form = event.target;
  if (form.dataset.reveals === undefined) return;
  const secret = form.querySelector(".secret");
  secret.querySelector("code").textContent = event.detail[form.dataset.reveals];
  secret.hidden = false;
});
