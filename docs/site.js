// Gives the buttons of each block of code, and entries of the same name, names apart, and lets the keyboard scroll a wide table.
document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(label).observe(document.body, { childList: true, subtree: true });
  label();
  const seen = new Map();
  document.querySelectorAll(".md-nav[aria-label]").forEach((nav) => {
    const name = nav.getAttribute("aria-label").trim().toLowerCase();
    seen.set(name, (seen.get(name) ?? 0) + 1);
    if (seen.get(name) > 1) nav.setAttribute("aria-label", `${name}, ${seen.get(name)}`);
  });
});

function label() {
  document.querySelectorAll(".md-code__nav:not([aria-label])").forEach((nav) => {
    const blocks = [...document.querySelectorAll(".md-code__nav")];
    nav.setAttribute("aria-label", `Block of code ${blocks.indexOf(nav) + 1}`);
  });
  document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])").forEach((wrap) => {
    wrap.setAttribute("tabindex", "0");
  });
}
