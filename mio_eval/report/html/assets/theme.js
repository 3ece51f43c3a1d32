// Dark and light: the system's wish, until the button says otherwise.

const themeListeners = [];

function storedTheme() {
  try {
    return localStorage.getItem("mio-theme");
  } catch {
    return null; // storage is closed to this page
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function showTheme() {
  const button = $("theme-button");
  button.setAttribute("aria-pressed", String(isDark()));
  button.textContent = isDark() ? "Light" : "Dark";
  button.setAttribute("aria-label", "Dark theme");
  for (const listener of themeListeners) listener();
}

function toggleTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  try {
    localStorage.setItem("mio-theme", document.documentElement.dataset.theme);
  } catch { /* the choice then lasts as long as the page */ }
  showTheme();
}

function startTheme() {
  const stored = storedTheme();
  if (stored === "dark" || stored === "light") document.documentElement.dataset.theme = stored;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  $("theme-button").addEventListener("click", toggleTheme);
  showTheme();
}
