// Runs before anything is painted: which theme somebody chose, and whether to show the frame of the shell meanwhile.
(() => {
  const { dataset } = document.documentElement;
  const kept = (name) => localStorage.getItem(`toru.${name}`);
  try {
    const theme = kept("theme");
    if (theme === "light" || theme === "dark") dataset.theme = theme;
    if (kept("signed-in") === "yes" && location.pathname !== "/login")
      dataset.frame = kept("sidebar") || "wide";
  } catch {
    // A browser that keeps nothing shows the system's theme, and nothing until the program is there.
  }
})();
