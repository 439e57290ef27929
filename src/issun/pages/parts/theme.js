// Dark or light: as the machine is set, until a person says otherwise.

import { byId, say } from "./common/element.js";
import { change, state } from "./study/state.js";

const KEY = "issun-theme";
const NAMES = { auto: "Theme: system", light: "Theme: light", dark: "Theme: dark" };

// In some places a page may not remember anything: then it does without.
const remembered = () => {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
};
const remember = (theme) => {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Nothing is lost but the memory.
  }
};

/** Set the theme, and let the button change it. */
export function startTheme() {
  const button = byId("theme");
  let theme = remembered() in NAMES ? remembered() : "auto";
  const apply = () => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = NAMES[theme];
    // Some grounds are worked out from the theme's colours.
    if (state.content) change({ theme });
  };
  button.addEventListener("click", () => {
    const order = Object.keys(NAMES);
    theme = order[(order.indexOf(theme) + 1) % order.length];
    remember(theme);
    apply();
    say(NAMES[theme]);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
  apply();
}
