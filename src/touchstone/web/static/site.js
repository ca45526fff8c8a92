// What pages do beyond links and forms. Everything works without it, only with more page loads.
(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("scripted");

  // Forms that scripts send carry the session's token in a header.
  document.addEventListener("htmx:config:request", function (event) {
    var token = document.querySelector('meta[name="form-token"]');
    var request = event.detail && event.detail.ctx && event.detail.ctx.request;
    if (token && request && request.headers) request.headers["X-Form-Token"] = token.content;
  });

  // Acts that cannot be taken back ask first.
  document.addEventListener("submit", function (event) {
    var words = event.target.getAttribute && event.target.getAttribute("data-sure");
    if (words && !confirm(words)) event.preventDefault();
  });

  // A choice that is the whole form is sent at once; its button is for whoever has no scripts.
  document.addEventListener("change", function (event) {
    var form = event.target.form;
    if (form && form.hasAttribute("data-at-once")) form.requestSubmit();
  });

  // A slider by powers of ten moves the number of the field that it belongs to, and the other way round.
  document.querySelectorAll("[data-power-of-ten]").forEach(function (slider) {
    var field = document.getElementById(slider.getAttribute("data-power-of-ten"));
    function follow() {
      var value = Number(field.value || field.placeholder);
      if (value > 0) slider.value = Math.log10(value);
    }
    follow();
    field.addEventListener("input", follow);
    slider.addEventListener("input", function () {
      var power = Math.pow(10, Math.floor(slider.value) - 1);
      field.value = Math.round(Math.pow(10, slider.value) / power) * power;
    });
    slider.addEventListener("change", function () { field.dispatchEvent(new Event("change", { bubbles: true })); });
  });

  // Text that is to be copied.
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("[data-copies]");
    if (!button) return;
    var from = document.getElementById(button.getAttribute("data-copies"));
    if (!from || !navigator.clipboard) return;
    navigator.clipboard.writeText(from.value !== undefined ? from.value : from.textContent).then(function () {
      var words = button.textContent;
      button.textContent = button.getAttribute("data-copied") || "✓";
      setTimeout(function () { button.textContent = words; }, 1500);
    });
  });
})();
