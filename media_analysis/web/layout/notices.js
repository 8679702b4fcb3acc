// What is said in passing, here or on the screen that comes next.
const KEY = "notice";
const SECONDS = 6;

export function tell(text) {
  const said = document.createElement("p");
  said.textContent = text;
  document.getElementById("notices").append(said);
  setTimeout(() => said.remove(), SECONDS * 1000);
}

export function tellNext(text) {
  sessionStorage.setItem(KEY, text);
}

export function tellLater() {
  const text = sessionStorage.getItem(KEY);
  if (text !== null) {
    sessionStorage.removeItem(KEY);
    tell(text);
  }
}
