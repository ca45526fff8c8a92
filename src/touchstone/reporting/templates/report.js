(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("scripted");
  var wanted = location.hash.slice(1);
  if (wanted === "dark" || wanted === "light") root.dataset.theme = wanted;
  addEventListener("DOMContentLoaded", function () {
    var button = document.querySelector(".theme");
    if (!button) return;
    button.addEventListener("click", function () {
      var dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
    });
  });
  // Tables that are folded on the screen are printed; cases are printed as far as they were opened.
  var opened = [];
  addEventListener("beforeprint", function () {
    opened = Array.prototype.slice.call(document.querySelectorAll("details.plain:not([open])"));
    opened.forEach(function (one) { one.open = true; });
  });
  addEventListener("afterprint", function () {
    opened.forEach(function (one) { one.open = false; });
  });
})();
